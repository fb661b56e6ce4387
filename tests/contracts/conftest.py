"""Plug-ins that are tested like everything built in."""

from pathlib import Path

import disent_bench.methods  # noqa: F401
from disent_bench.plugins import load_plugin

for example in ("my_method.py", "my_module.py"):
    load_plugin(Path(__file__).parents[2] / "examples" / example)
