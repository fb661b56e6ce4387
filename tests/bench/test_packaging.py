"""What is built for others to install."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from disent_bench.cli.main import main

pytestmark = pytest.mark.xdist_group("wheel")  # it is built once


def run(wheel: Path, folder: Path, *words: str) -> str:
    """What a command says in a folder where nothing but the wheel is to be found."""
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_three_typed_packages_protocols_studies_and_examples(wheel: Path, root: Path) -> None:
    packages = {"disent_bench": "", "disent_datasets": "datasets", "disent_metrics": "metrics"}
    assert {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")} == set(packages)
    for package, source in packages.items():
        assert (wheel / package / "py.typed").is_file()
        expected = {path.relative_to(root / source) for path in (root / source / package).rglob("*.py")}
        found = {path.relative_to(wheel) for path in (wheel / package).rglob("*.py")}
        assert {path for path in found if path.parts[1] != "examples"} == expected
    for folder in ("experiments/protocols", "experiments/studies", "examples"):
        files = {path.name for path in (root / folder).iterdir() if path.suffix in (".yaml", ".py", ".ipynb")}
        assert {path.name for path in (wheel / "disent_bench" / folder).iterdir()} == files
    assert (wheel / "disent_bench" / "experiments" / "results" / "papers.csv").exists()


def test_what_a_package_index_shows_leads_nowhere_that_is_not_there(wheel: Path, root: Path) -> None:
    shown = next(wheel.glob("*.dist-info/METADATA")).read_text().partition("\n\n")[2]
    readme = (root / "README.md").read_text()
    assert re.findall(r"\]\((?!https?:)", readme)
    assert not re.findall(r"\]\((?!https?:)", shown)
    assert re.findall(r"\]\(https?:[^)]*\)", shown) == re.findall(r"\]\(https?:[^)]*\)", readme)
    for heading in re.findall(r"(?m)^## .*$", readme):
        assert heading in shown


def test_it_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    assert "locatello2019" in run(wheel, tmp_path, "-m", "disent_bench", "list", "protocols")
    assert "quick_all" in run(wheel, tmp_path, "-m", "disent_bench", "study", "--help")
    page = run(wheel, tmp_path, "-m", "disent_bench", "leaderboard", "--format", "html")
    assert "DataTables" in page
    assert (wheel / "disent_bench/leaderboard/templates/vendor/datatables-LICENSE.txt").is_file()


SCORES_ALONE = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {forbidden}:
            raise ImportError(name)
sys.meta_path.insert(0, Forbidden())
sys.argv = ["disent_metrics", "--codes", "codes.csv", "--factors", "factors.npy", "--json"]
from disent_metrics.__main__ import main
sys.exit(main())
"""


def test_scores_need_four_packages_alone(wheel: Path, tmp_path: Path, root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    named = [re.match(r"[\w-]+", each)[0].lower() for each in project["dependencies"]]  # type: ignore[index]
    needed = {"numpy", "scipy", "scikit-learn", "numba"}
    imported = {"pot": "ot", "pillow": "PIL", "pyyaml": "yaml"}
    forbidden = {imported.get(name, name) for name in named if name not in needed} - {"threadpoolctl"}  # scikit-learn's
    assert {"torch", "pandas", "PIL"} < forbidden
    factors = np.random.default_rng(0).integers((3, 4), size=(600, 2))
    np.save(tmp_path / "factors.npy", factors)
    np.savetxt(tmp_path / "codes.csv", factors + 0.25, delimiter=",", fmt="%g")
    text = run(wheel, tmp_path, "-c", SCORES_ALONE.format(forbidden=forbidden))
    scores = json.loads(text)["scores"]
    assert scores["mig"] > 0.9
    assert scores["dci_disentanglement"] > 0.99
    codes = ["--codes", "codes.csv", "--factors", "factors.npy", "--json"]
    assert json.loads(run(wheel, tmp_path, "-m", "disent_bench", "evaluate", *codes))["scores"] == scores


@pytest.mark.slow
def test_scores_alone_can_be_installed_as_it_is_documented(wheel: Path, tmp_path: Path, root: Path) -> None:
    (archive,) = wheel.parent.glob("*.whl")
    text = (root / "docs" / "metrics.md").read_text()
    lines = re.findall(r"^pip install (.*)$", text, re.M)
    assert lines == ["--no-deps disent-bench", "numpy scipy scikit-learn numba"]
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", str(archive)], check=True)
    subprocess.run([*pip, "-c", str(root / "constraints.txt"), *lines[1].split()], check=True)
    np.save(tmp_path / "codes.npy", np.random.default_rng(0).integers((3, 4), size=(600, 2)))
    words = [str(python), "-m", "disent_metrics", "--codes", "codes.npy", "--factors", "codes.npy"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mig" in done.stdout
    words[-1] = "none.npy"
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "disent_metrics: none.npy: No such file or directory\n")


def test_completion_of_verbs_and_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    (tmp_path / "complete.sh").write_text(capsys.readouterr().out)
    script = (
        "source complete.sh; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        "$(complete -p disent-bench | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo ${{COMPREPLY[@]}}"
    )
    for words, expected in [
        ("disent-bench leaderb", "leaderboard"),
        ("disent-bench run --method topd", "topdis"),
        ("disent-bench run --dataset toy", "toy_grid"),
    ]:
        text = script.format(words=words)
        done = subprocess.run(["bash", "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [expected]


def test_versions_of_python_that_are_named_are_the_supported_ones(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: 3."
    named = [int(c.removeprefix(prefix)) for c in project["classifiers"] if c.startswith(prefix)]
    assert f">=3.{min(named)}" == project["requires-python"]
