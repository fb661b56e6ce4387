"""Whatever method is registered trains, is scored, resumes and is listed; none is named here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from disent_bench.config import RunConfig, is_module, is_regulariser, resolve
from disent_bench.registry import METHODS
from disent_bench.train import load_run, run

NAMES = list(METHODS)
STEPS = 4
BASES = [name for name in NAMES if not is_regulariser(name) and not is_module(name)]
REGULARISERS = [name for name in NAMES if is_regulariser(name)]


def short(method: str, **more: object) -> RunConfig:
    """A configuration of a few steps in which every term is active from the second on."""
    settings = {
        "steps": STEPS,
        "batch_size": 16,
        "log_every": 1,
        "scores.scores": ["mig"],
        "scores.num_train": 200,
        "scores.num_test": 100,
        **more,
    }
    plain = resolve(method, "toy_grid", "quick", overrides=settings)
    starts = {f"terms.{name}.start": 1 for name, term in plain.terms.items() if term["start"] > 0}
    return resolve(method, "toy_grid", "quick", overrides={**settings, **starts})


@pytest.mark.parametrize("name", NAMES)
def test_trains_scores_and_writes_its_result(name: str, tmp_path: Path, data_dir: Path) -> None:
    config = short(name)
    outcome = run(config, 0, runs=tmp_path, data_dir=data_dir, say=lambda line: None)
    assert outcome.status == "done", outcome.reason
    record = json.loads((outcome.folder / "result.json").read_text())
    assert set(record["scores"]) == {"mig"} == set(record["untrained"])
    assert record["method"] == name
    lines = [json.loads(line) for line in (outcome.folder / "metrics.jsonl").read_text().splitlines()]
    logged = set().union(*lines)
    for term in config.terms:
        assert {f"raw/{term}", f"weighted/{term}"} <= logged
    assert run(config, 0, runs=tmp_path, data_dir=data_dir).status == "skipped"


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns(name: str, tmp_path: Path, data_dir: Path) -> None:
    from disent_datasets import load

    config = short(name)
    outcome = run(config, 0, runs=tmp_path, data_dir=data_dir, say=lambda line: None)
    grid = load("toy_grid", data_dir=data_dir)
    trained = load_run(outcome.folder, grid, config)
    torch.manual_seed(0)
    from disent_bench.train import build_module

    fresh = dict(build_module(config, grid).named_parameters())
    still = [key for key, value in trained.named_parameters() if torch.equal(value, fresh[key])]
    assert not still, f"not trained: {still}"
    codes = trained.encode(torch.rand(3, 1, 64, 64))
    assert codes.shape[0] == 3
    assert codes.ndim == 2
    assert torch.isfinite(codes).all()


@pytest.mark.parametrize("regulariser", REGULARISERS)
@pytest.mark.parametrize("base", BASES)
def test_any_regulariser_fits_any_base(base: str, regulariser: str, tmp_path: Path, data_dir: Path) -> None:
    config = short(f"{regulariser}+{base}")
    assert config.method == f"{base}+{regulariser}"
    assert set(resolve(base, "toy_grid", "quick").terms) < set(config.terms)
    outcome = run(config, 0, runs=tmp_path, data_dir=data_dir, say=lambda line: None)
    assert outcome.status == "done", outcome.reason


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name: str) -> None:
    entry = METHODS[name]
    assert len(entry.summary) > 20
    if entry.factory.__module__.startswith("disent_bench."):
        assert entry.paper
