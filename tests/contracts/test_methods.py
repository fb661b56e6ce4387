"""Whatever method is registered trains, is scored and is listed; none is named here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from disent_datasets import load
from torch.utils._python_dispatch import TorchDispatchMode

from disent_bench.config.method import is_module, is_regulariser
from disent_bench.config.resolve import resolve
from disent_bench.config.run import RunConfig
from disent_bench.module import DisentModule
from disent_bench.objective import all_terms
from disent_bench.registry import METHODS
from disent_bench.runs.model import build_module, load_run, module_for, rehearse
from disent_bench.runs.train import Outcome, run

NAMES = list(METHODS)
BASES = [name for name in NAMES if not is_regulariser(name) and not is_module(name)]
REGULARISERS = [name for name in NAMES if is_regulariser(name)]


def short(method: str) -> RunConfig:
    """A configuration of a few steps in which every term is active from the second on."""
    settings = {
        "steps": 4,
        "batch_size": 16,
        "log_every": 1,
        "evaluate_every": 0,
        "scores.scores": ["mig"],
        "scores.num_train": 200,
        "scores.num_test": 100,
    }
    plain = resolve(method, "toy_grid", "quick", overrides=settings)
    starts = {f"terms.{name}.start": 1 for name, term in plain.terms.items() if term["start"] > 0}
    return resolve(method, "toy_grid", "quick", overrides={**settings, **starts})


def refusal(method: str) -> str | None:
    """Why the configuration of a sum is refused, or None."""
    try:
        build_module(short(method), (1, 64, 64), 1000)
    except ValueError as error:
        return str(error)
    return None


@pytest.fixture(scope="module", params=NAMES)
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, data_dir: Path
) -> tuple[RunConfig, Outcome]:
    """A short run of each method."""
    config = short(request.param)
    runs = tmp_path_factory.mktemp(request.param)
    return config, run(config, 0, runs=runs, data_dir=data_dir, say=lambda line: None)


def test_trains_scores_and_writes_its_result(trained: tuple[RunConfig, Outcome], data_dir: Path) -> None:
    config, outcome = trained
    assert outcome.status == "done", outcome.reason
    record = json.loads((outcome.folder / "result.json").read_text())
    assert set(record["scores"]) == {"mig"} == set(record["untrained"])
    assert record["method"] == config.method
    lines = [json.loads(line) for line in (outcome.folder / "metrics.jsonl").read_text().splitlines()]
    logged = set().union(*lines)
    for term in config.terms:
        assert {f"raw/{term}", f"weighted/{term}"} <= logged
    assert list((outcome.folder / "tensorboard").glob("*/events*"))
    again = run(config, 0, runs=outcome.folder.parents[4], data_dir=data_dir)
    assert again.status == "skipped"


def test_every_parameter_learns(trained: tuple[RunConfig, Outcome], data_dir: Path) -> None:
    config, outcome = trained
    grid = load("toy_grid", data_dir=data_dir)
    module = load_run(outcome.folder)
    torch.manual_seed(0)
    fresh = dict(module_for(config, grid).named_parameters())
    still = [key for key, value in module.named_parameters() if torch.equal(value, fresh[key])]
    assert not still, f"not trained: {still}"
    codes = module.encode(torch.rand(3, 1, 64, 64))
    assert codes.dtype == torch.float32
    assert not torch.equal(codes, codes.bfloat16().float()), "codes for scores are computed in float32"
    assert codes.shape[0] == 3
    assert codes.ndim == 2
    assert torch.isfinite(codes).all()


@pytest.mark.parametrize("regulariser", REGULARISERS)
@pytest.mark.parametrize("base", BASES)
def test_any_regulariser_fits_any_base_or_says_why_not(base: str, regulariser: str) -> None:
    own = set(resolve(base, "toy_grid", "quick").terms)
    reason = refusal(f"{regulariser}+{base}")
    if reason is not None:  # the sum lacks what the regulariser leans on, or has its term already
        known = ("which is not in the objective", "appears twice", "no term fits the decoder")
        assert any(each in reason for each in known), reason
        return
    config = short(f"{regulariser}+{base}")
    assert config.method == f"{base}+{regulariser}"
    assert own < set(config.terms)
    torch.manual_seed(0)
    module = build_module(config, (1, 64, 64), 1000)
    assert isinstance(module, DisentModule)
    module.step = 1
    images = torch.rand(2, 16, 1, 64, 64).round()
    played = module.play(module.run_pass(images[0], images[1]), module.configure_optimizers())
    assert set().union(*(each.parts for each in played)) == set(config.terms)
    assert all(torch.isfinite(each.grad).all() for each in module.parameters() if each.grad is not None)


@pytest.mark.parametrize("name", NAMES)
def test_a_rehearsal_takes_a_step_and_leaves_random_numbers_alone(name: str, data_dir: Path) -> None:
    state = torch.get_rng_state()
    rehearse(short(name), load("toy_grid", data_dir=data_dir))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_comes_back_from_plain_data(name: str) -> None:
    config = short(name)
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again.to_dict() == config.to_dict()
    assert again.key("data") == config.key("data")
    assert again.scoring == config.scoring


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name: str) -> None:
    entry = METHODS[name]
    assert len(entry.summary) > 20
    if entry.factory.__module__.startswith("disent_bench."):
        assert entry.paper


class Reads(TorchDispatchMode):
    """Counts how often a value is asked of the device that holds it, for which the host has to wait."""

    WAITING = ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "_unique", "_unique2", "equal")

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket.__name__ in self.WAITING
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("method", [name for name in NAMES if not is_module(name)])
def test_a_step_asks_the_device_for_no_value_unless_a_term_says_so(method: str) -> None:
    """Else it could not be captured in a graph; optimisers are torch's, and take gradients in the order of weights."""
    module = build_module(short(method), (1, 64, 64), 1000)
    assert isinstance(module, DisentModule)
    module.step = 1
    module.clock.fill_(1)
    images = torch.rand(16, 1, 64, 64)
    p = module.run_pass(images, images.flip(0) if {"second", "pair"} & module.needs else None)
    with Reads() as reads:
        module.play(p, module.configure_optimizers())
    assert (reads.count > 0) == any(term.on_host for term in all_terms(module.objective))
    for name, parameter in module.named_parameters():
        assert parameter.grad is None or parameter.grad.stride() == parameter.stride(), name
