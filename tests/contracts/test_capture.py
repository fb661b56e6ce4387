"""Steps replayed from graphs are the steps, for whatever is registered; without a GPU, graphs are tapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from disent_bench import Objective, Pass, Term, Weight
from disent_bench.capture import WARM_UP, Capture, HostCall
from disent_bench.config.method import is_module
from disent_bench.config.resolve import resolve
from disent_bench.contracts.methods import Reads
from disent_bench.host import Work, recorded_by, worked_out
from disent_bench.module import DisentModule, Training
from disent_bench.registry import METHODS
from disent_bench.runs.exact import full_float32
from disent_bench.runs.model import build_module
from disent_bench.terms import KL, Reconstruction

GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")
START, STEPS = WARM_UP + 2, 2 * WARM_UP + 6


class Tape(TorchDispatchMode):
    """What a CUDA graph is, on a CPU: operations on memory that stays, run again one by one; made, but not taken."""

    def __init__(self) -> None:
        super().__init__()
        self.made, self.waits = 0, ""
        self._parts: list[Callable[[], None]] | None = None
        self._own: set[int] = set()
        self._kept: list[Any] = []
        self._before: list[tuple[torch.UntypedStorage, torch.UntypedStorage]] = []

    def warm_up(self, step: Callable[[], Any]) -> tuple[Any, str]:
        with recorded_by(self):
            return step(), self.waits

    def record(self, step: Callable[[], Any], generators: Any) -> tuple[Any, Callable[[], None]]:
        self.made += 1
        parts = self._parts = []
        self._own, self._before = set(), []
        drawing = [torch.default_generator, *generators]
        states = [each.get_state() for each in drawing]
        with recorded_by(self), self:
            result = step()
        self._parts = None
        for place, content in self._before:
            place.copy_(content)
        for generator, state in zip(drawing, states, strict=True):
            generator.set_state(state)

        def replay() -> None:
            with torch.no_grad():
                for part in parts:
                    part()

        return result, replay

    def call(self, work: Work, given: Sequence[Tensor], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
        if self._parts is None:
            return tuple(worked_out(work, given))
        with _disable_current_modes():
            call = HostCall(work, given, like)
            call()
        self._parts.append(call)
        self._made(call.found)
        return call.found

    def _made(self, tensors: Iterable[Tensor]) -> None:
        self._kept.extend(tensors)
        self._own.update(each.untyped_storage().data_ptr() for each in tensors)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        assert self._parts is not None
        assert func.overloadpacket.__name__ not in Reads.WAITING, f"a recorded step runs {func}"
        written = [
            each
            for place, argument in enumerate(func._schema.arguments)
            if argument.alias_info is not None and argument.alias_info.is_write
            for each in tree_leaves(args[place] if place < len(args) else kwargs.get(argument.name))
            if isinstance(each, Tensor)
        ]
        for storage in (each.untyped_storage() for each in written):
            if storage.data_ptr() not in self._own:
                self._before.append((storage, storage.clone()))
                self._own.add(storage.data_ptr())
        result = func(*args, **kwargs)
        storages = {each.untyped_storage().data_ptr() for each in tree_leaves((args, kwargs)) if has_memory(each)}
        self._kept.append((args, kwargs, result))
        fresh = [
            each.detach() if has_memory(each) and each.untyped_storage().data_ptr() not in storages else None
            for each in tree_leaves(result)
        ]
        self._made([each for each in fresh if each is not None])
        if written or any(each is not None for each in fresh):

            def again() -> None:
                for place, each in zip(fresh, tree_leaves(func(*args, **kwargs)), strict=True):
                    if place is not None:
                        place.copy_(each)

            self._parts.append(again)
        return result


def has_memory(value: Any) -> bool:
    """Whether a value is a tensor in memory, which zeros of forward derivatives are not."""
    return isinstance(value, Tensor) and not value._is_zerotensor()


def take(build: Callable[[], DisentModule], replayed: bool) -> tuple[DisentModule, Capture, list[float], list[str]]:
    """Take the steps of a module one by one or replayed; every module gets the same images and random numbers."""
    torch.manual_seed(0)
    module, said = build().to(DEVICE), list[str]()
    optimizers = module.configure_optimizers()
    capture = Capture(said.append, None if GPU else Tape())
    losses = []
    for step in range(STEPS):
        images = torch.rand(2, 16, 1, 64, 64, generator=torch.Generator().manual_seed(step)).round().to(DEVICE)
        second = images[1] if {"second", "pair"} & module.needs else None
        if replayed:
            played = capture.step(module, images[0], second, optimizers)
        else:
            with recorded_by(Reads()):
                played = module.play(module.run_pass(images[0], second), optimizers)
        losses.append(float(played[0].loss))
    return module, capture, losses, said


def check_equal(build: Callable[[], DisentModule]) -> tuple[Capture, list[str]]:
    with full_float32(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
        (plain, _, losses, _), (module, capture, others, said) = take(build, False), take(build, True)
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if GPU else {"rtol": 0, "atol": 0}
    torch.testing.assert_close(torch.tensor(others), torch.tensor(losses), **tolerance)
    state, expected = (dict(each.state_dict()) for each in (module, plain))
    for name, value in expected.items():
        if isinstance(value, Tensor):
            torch.testing.assert_close(state[name], value, **tolerance, msg=lambda line, n=name: f"{n}: {line}")
    assert module.step == int(module.clock) == STEPS
    torch.testing.assert_close(dict(module.last), dict(plain.last), **tolerance)
    return capture, said


@pytest.mark.parametrize("method", [name for name in METHODS if not is_module(name)])
def test_every_method_takes_the_same_steps(method: str) -> None:
    settings = {"steps": STEPS, "batch_size": 16, "precision": "32"}
    plain = resolve(method, "toy_grid", "quick", overrides=settings)
    starts = {f"terms.{name}.start": START for name, term in plain.terms.items() if term["start"] > 0}
    config = resolve(method, "toy_grid", "quick", overrides={**settings, **starts})
    capture, said = check_equal(lambda: build_module(config, (1, 64, 64), 1000))
    assert capture.replayed == STEPS - (2 * WARM_UP if starts else WARM_UP)
    assert said == []


class Following(Weight):
    """Reads what the last step measured, and has a memory that it puts anew at each step."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:
        self.seen = self.seen + last.get("kl", raw.detach())
        return self.seen * raw / (step + 1)


def test_memory_and_measurements_of_weights_go_on() -> None:
    def build() -> DisentModule:
        steered = KL(weight={"kind": "pi", "target": 5.0, "every": 2})
        objective = Objective(Reconstruction(weight=Following()), steered)
        return DisentModule(objective, (1, 64, 64), 1000, Training(network="roth2023", precision="32"))

    capture, _ = check_equal(build)
    assert capture.replayed == STEPS - WARM_UP


def test_a_changed_learning_rate_or_batch_is_captured_anew() -> None:
    torch.manual_seed(0)
    objective = Objective(Reconstruction(), KL())
    module = DisentModule(objective, (1, 64, 64), 1000, Training(network="roth2023", precision="32")).to(DEVICE)
    optimizers, recorder = module.configure_optimizers(), None if GPU else Tape()
    capture = Capture(print, recorder)

    def replayed_in(count: int, batch: int) -> int:
        before = capture.replayed
        for _ in range(count):
            capture.step(module, torch.rand(batch, 1, 64, 64, device=DEVICE), None, optimizers)
        return capture.replayed - before

    assert replayed_in(WARM_UP + 1, 8) == 1
    assert replayed_in(WARM_UP + 1, 4) == 1
    optimizers[0].param_groups[0]["lr"] = 0.01
    before = [each.detach().clone() for each in module.parameters()]
    assert replayed_in(WARM_UP + 1, 4) == 1
    assert max(float((a - b).detach().abs().max()) for a, b in zip(module.parameters(), before, strict=True)) > 0.005


class Asks(Term):
    """Asks the device for a value without saying so."""

    name = "asks"

    def forward(self, p: Pass) -> Tensor:
        return p.z.square().mean() * (1 if float(p.z.detach().mean()) > 0 else 2)


class Says(Asks):
    """Says so."""

    name = "says"
    on_host = True


@pytest.mark.parametrize("kind", [Asks, Says])
def test_a_step_that_waits_for_the_device_is_taken_as_it_is_and_says_why(kind: type[Term]) -> None:
    torch.manual_seed(0)
    objective = Objective(Reconstruction(), KL(weight={"kind": "pi", "target": 5.0}), kind())
    module = DisentModule(objective, (1, 64, 64), 1000, Training(network="roth2023", precision="32")).to(DEVICE)
    said: list[str] = []
    recorder = None if GPU else Tape()
    if recorder is not None:
        recorder.waits = "test_capture.py:1"
    capture = Capture(said.append, recorder)
    optimizers = module.configure_optimizers()
    for _ in range(WARM_UP + 3):
        capture.step(module, torch.rand(8, 1, 64, 64, device=DEVICE).round(), None, optimizers)
    assert module.step == int(module.clock) == WARM_UP + 3
    assert capture.replayed == 0
    (line,) = said
    assert line.endswith(": steps are not replayed from a CUDA graph")
    if kind is Says:
        assert line.startswith("says reads values from the device")
    else:
        assert "test_capture.py:" in line
        assert "asks the device for a value" in line
