"""What every method promises."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from disent_datasets import FactorGrid, load
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import disent_bench.methods  # noqa: F401
from disent_bench.config.method import is_module
from disent_bench.config.resolve import resolve
from disent_bench.config.run import RunConfig
from disent_bench.contracts.contract import contract, require
from disent_bench.host import Work, recorded_by, worked_out
from disent_bench.module import DisentModule
from disent_bench.objective import all_terms
from disent_bench.parts import FEWEST
from disent_bench.registry import METHODS
from disent_bench.runs.model import build_module, load_run, module_for, rehearse
from disent_bench.runs.result import Result
from disent_bench.runs.train import run

DATASET = "toy_grid"
SETTINGS = {
    "steps": 4,
    "batch_size": 16,
    "log_every": 1,
    "evaluate_every": 0,
    "scores.scores": ["mig"],
    "scores.num_train": 200,
    "scores.num_test": 100,
}


def short(method: str) -> RunConfig:
    """Return a configuration of a few steps in which every term is active from the second on."""
    plain = resolve(method, DATASET, "quick", overrides=SETTINGS)
    starts = {f"terms.{name}.start": 1 for name, term in plain.terms.items() if term["start"] > 0}
    return resolve(method, DATASET, "quick", overrides={**SETTINGS, **starts})


@contract("method")
def says_what_it_is(name: str) -> None:
    """It has a docstring of more than a word."""
    summary = METHODS[name].summary
    require(len(summary) > 20, f"its docstring begins with '{summary}', which says little")


@contract("method")
def configuration_comes_back_from_plain_data(name: str) -> None:
    """Its configuration comes back from plain data with the same key."""
    config = short(name)
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    require(again.to_dict() == config.to_dict(), "its configuration does not come back from JSON")
    require(again.key("data") == config.key("data") and again.scoring == config.scoring, "its key does not come back")


@contract("method")
def a_rehearsal_leaves_random_numbers_alone(name: str) -> None:
    """It takes a step on one batch, and leaves torch's random numbers as they were."""
    state = torch.get_rng_state()
    rehearse(short(name), load(DATASET))
    require(torch.equal(torch.get_rng_state(), state), "random numbers are others after a rehearsal")


@contract("method")
def takes_a_step_on_colours(name: str) -> None:
    """It takes a step on coloured images, or refuses them in one line."""
    torch.manual_seed(0)
    try:
        module = build_module(short(name), (3, 64, 64), 1000)
    except ValueError:
        return
    if isinstance(module, DisentModule):
        images = torch.rand(2, 16, 3, 64, 64)
        second = images[1] if module.needs & {"second", "pair"} else None
        module.play(module.run_pass(images[0], second), module.configure_optimizers())
        require(all(torch.isfinite(p).all() for p in module.parameters()), "a weight is not finite after a step")


@contract("method")
def trains_is_scored_and_reopens(name: str) -> None:
    """It trains all its parameters, is scored, and reopens from its folder."""
    config, grid = short(name), load(DATASET)
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(config, 0, runs=Path(folder), say=said.append)
        require(outcome.status == "done", outcome.reason)
        result = Result.read(outcome.folder / "result.json")
        require(set(result.scores) == {"mig"} == set(result.untrained), f"its scores are {dict(result.scores)}")
        require(result.method == config.method, f"its result is of {result.method}")
        lines = [json.loads(line) for line in (outcome.folder / "metrics.jsonl").read_text().splitlines()]
        for term in config.terms:
            there = {f"raw/{term}", f"weighted/{term}"} <= set().union(*lines)
            require(there, f"the values of {term} are not logged")
        require(list((outcome.folder / "tensorboard").glob("*/events*")), "nothing is logged to TensorBoard")
        again = run(config, 0, runs=Path(folder), say=said.append)
        require(again.status == "skipped", "a finished run is not skipped")
        module = load_run(outcome.folder)
    _learnt(config, grid, module)


@contract("method")
def stopped_and_resumed_it_takes_the_same_steps(name: str) -> None:
    """Saved after two of four steps and built anew, it ends where an undisturbed one does, bit for bit."""
    if is_module(name):
        return
    torch.manual_seed(0)
    module = build_module(short(name), (1, 64, 64), 1000)
    assert isinstance(module, DisentModule)
    batches, optimizers = torch.rand(4, 2, 16, 1, 64, 64).round(), module.configure_optimizers()
    _steps(module, batches[:2], optimizers)
    kept = io.BytesIO()
    torch.save((module.state_dict(), [each.state_dict() for each in optimizers], torch.get_rng_state()), kept)
    _steps(module, batches[2:], optimizers)
    torch.manual_seed(1)
    again = build_module(short(name), (1, 64, 64), 1000)
    assert isinstance(again, DisentModule)
    state, of_optimizers, random = torch.load(io.BytesIO(kept.getvalue()), weights_only=True)
    again.load_state_dict(state)
    resumed = again.configure_optimizers()
    for optimizer, each in zip(resumed, of_optimizers, strict=True):
        optimizer.load_state_dict(each)
    torch.set_rng_state(random)
    _steps(again, batches[2:], resumed)
    wanted = module.state_dict()
    other = [
        key
        for key, value in again.state_dict().items()
        if torch.is_tensor(value) and not torch.equal(value, wanted[key])
    ]
    require(not other, f"after a resume other values have {', '.join(other)}")
    require(set(again.last) == set(module.last), "after a resume other things are measured")


def _steps(module: DisentModule, batches: torch.Tensor, optimizers: list[torch.optim.Optimizer]) -> None:
    for images, second in batches:
        module.play(module.run_pass(images, second if module.needs & {"second", "pair"} else None), optimizers)


@contract("method")
def on_host_is_said(name: str) -> None:
    """Recorded, its step asks the device for a value only where a term says on_host; weights keep their order."""
    if is_module(name):
        return
    module, _ = _second_step(name, reads := Reads())
    said = any(term.on_host for term in all_terms(module.objective))
    require(said or not reads.asked, f"a term asks for {', '.join(reads.asked)} and does not say on_host = True")
    require(reads.asked or not said, "a term says on_host = True and asks the device for nothing")
    for key, parameter in module.named_parameters():
        ordered = parameter.grad is None or parameter.grad.stride() == parameter.stride()
        require(ordered, f"the gradient of {key} is in another order than its weight")


@contract("method")
def a_recorded_step_is_the_step(name: str) -> None:
    """Values and gradients of a step that is recorded, in which shapes stay, are those of one that is not."""
    if is_module(name):
        return
    plain, values = _second_step(name)
    recorded, others = _second_step(name, Reads())
    require(others.keys() == values.keys(), f"it has the terms {', '.join(others)}, not {', '.join(values)}")
    for term, value in values.items():
        require(torch.isclose(others[term], value, 1e-3, 1e-5), f"{term} is {others[term]:g}, not {value:g}")
    for (key, one), (_, other) in zip(plain.named_parameters(), recorded.named_parameters(), strict=True):
        if one.grad is not None:
            assert other.grad is not None
            error = (other.grad - one.grad).norm() / one.grad.norm().clamp_min(1e-6)
            require(error < 1e-2, f"the gradient of {key} is another by {error:.1g} of its length")


def _second_step(name: str, reads: Reads | None = None) -> tuple[DisentModule, dict[str, Tensor]]:
    """Take one step, recorded or not, in which every term is active; return the module, and each term's value."""
    torch.manual_seed(0)
    module = build_module(short(name), (1, 64, 64), 1000)
    assert isinstance(module, DisentModule)
    module.step = 1
    module.clock.fill_(1)
    images = torch.rand(2 * FEWEST - 1, 1, 64, 64)  # not divided among threads, whose operations a mode does not see
    p = module.run_pass(images, images.flip(0) if {"second", "pair"} & module.needs else None)
    optimizers = module.configure_optimizers()
    with nullcontext() if reads is None else reads, nullcontext() if reads is None else recorded_by(reads):
        played = module.play(p, optimizers)
    return module, {term: part.raw.detach() for each in played for term, part in each.parts.items()}


class Reads(TorchDispatchMode):
    """Notes what asks the device for a value, for which the host has to wait; but not what is given to the host."""

    WAITING = ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "_unique", "_unique2", "equal")
    WAITING_WITHIN = ("multinomial", "repeat_interleave", "bincount", "histc")
    """Operations that wait in their own code, which a mode does not see; so does an index of booleans."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, None] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put", "index_put_") and any(
            each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[1]
        )
        if name in self.WAITING + self.WAITING_WITHIN or masks:
            self.asked[name] = None
        return func(*args, **(kwargs or {}))

    def call(self, work: Work, given: Sequence[Tensor], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Do at once what a recorded step has for the host; shapes are as they were said to be."""
        found = tuple(each.to(given[0].device) for each in worked_out(work, given))
        for each, said in zip(found, like, strict=True):
            require(each.shape == said.shape, f"the host returns {tuple(each.shape)}, not {tuple(said.shape)} as said")
            require(each.dtype == said.dtype, f"the host returns {each.dtype}, not {said.dtype} as said")
        return found


def _learnt(config: RunConfig, grid: FactorGrid, module: Any) -> None:
    torch.manual_seed(0)
    fresh = dict(module_for(config, grid).named_parameters())
    still = [key for key, value in module.named_parameters() if torch.equal(value, fresh[key])]
    require(not still, f"not trained: {', '.join(still)}")
    codes = module.encode(torch.rand(3, 1, 64, 64))
    require(codes.dtype == torch.float32, f"codes are {codes.dtype}, not float32")
    require(not torch.equal(codes, codes.bfloat16().float()), "codes for scores are not computed in float32")
    require(codes.ndim == 2 and len(codes) == 3, f"codes of 3 images have shape {tuple(codes.shape)}")
    require(torch.isfinite(codes).all(), "codes are not finite")
