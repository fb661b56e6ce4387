"""The files of studies: what they say, include and sweep, and those that come with the package."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

import disent_bench.methods  # noqa: F401 (importing registers)
from disent_bench.config.resolve import resolve
from disent_bench.studies.reading import read_study
from disent_bench.studies.study import resolve_study

ROOT = Path(__file__).parents[2]
STUDIES = sorted([*ROOT.glob("experiments/studies/*.yaml"), *ROOT.glob("examples/*.yaml")])


def write(path: Path, **changed: Any) -> Path:
    study = {
        "title": "A study",
        "protocol": "quick",
        "datasets": ["toy_grid"],
        "seeds": 0,
        "methods": ["vae", "beta_vae"],
    }
    path.write_text(yaml.safe_dump({**study, **changed}))
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: [", "not YAML"),
        ("- a", "a study has the keys include, title, note,"),
        ("title: a", "a study lacks protocol,"),
    ],
)
def test_what_is_no_study_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_study(path)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_resolves(path: Path) -> None:
    study = read_study(path)
    assert study.title
    grids = [math.prod(len(values) for values in grid.values()) for *_, grid in study.methods]
    assert len(resolve_study(study)) == len(study.datasets) * sum(grids)


def test_the_standard_study_is_the_12600_models_of_its_paper(root: Path) -> None:
    study = read_study(root / "experiments" / "studies" / "standard.yaml")
    assert len(resolve_study(study)) * len(study.seeds) == 12_600


def test_a_study_takes_over_what_it_includes_and_adds_its_methods(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    write(tmp_path / "below" / "base.yaml", plugins=["mine.py"], settings={"steps": 10, "batch_size": 8}, seeds=3)
    mine = {"include": ["below/base.yaml"], "title": "Mine", "settings": {"steps": 5}, "plugins": ["mine.py"]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**mine, "methods": ["gmg"]}))
    study = read_study(tmp_path / "mine.yaml")
    assert (study.title, study.protocol, study.seeds) == ("Mine", "quick", (3,))
    assert study.settings == {"steps": 5, "batch_size": 8}
    assert [method for method, *_ in study.methods] == ["vae", "beta_vae", "gmg"]
    assert study.plugins == (tmp_path / "below" / "mine.py", tmp_path / "mine.py"), "each beside its own study"
    (tmp_path / "shipped.yaml").write_text(yaml.safe_dump({"include": ["weights"], "seeds": 7}))
    assert read_study(tmp_path / "shipped.yaml").seeds == (7,), "by name, as on the command line"


def test_a_study_that_includes_itself_is_refused_however_it_is_spelled(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    with pytest.raises(ValueError, match="includes itself"):
        read_study(write(tmp_path / "study.yaml", include=["below/../study.yaml"]))


def test_a_sweep_is_an_entry_for_each_setting(tmp_path: Path) -> None:
    sweep = {"methods.beta_vae.beta": [1, 2], "steps": [3, 4]}
    study = read_study(write(tmp_path / "study.yaml", methods=[{"method": "beta_vae", "sweep": sweep}]))
    betas = [settings["methods.beta_vae.beta"] for _, settings, _ in study.methods]
    assert betas == [1, 1, 2, 2]
    assert len({variant.label for variant in resolve_study(study)}) == 4


def test_a_study_names_the_runs_that_one_would_type(root: Path) -> None:
    study = read_study(root / "experiments" / "studies" / "gromov_monge.yaml")
    changes = {"steps": 2000, "methods.dst.side": "encoder", "methods.dst.weight": 100.0}
    typed = resolve("dst", "dsprites", "quick", overrides={**changes, "evaluate_every": 0})
    configs = [variant.config for variant in resolve_study(study)]
    assert [config.key("data") for config in configs].count(typed.key("data")) == 1
    assert typed in configs
