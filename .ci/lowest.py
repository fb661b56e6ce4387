"""Print the lowest versions that pyproject.toml claims, as constraints for pip.

torch is left to constraints.txt: its old wheels bring gigabytes of CUDA.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
    name, version = re.fullmatch(r"([\w-]+)>=([\w.]+)", requirement).groups()
    if name == "torch":
        version = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE).group(1)
    print(f"{name}=={version}")
