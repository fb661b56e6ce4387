"""Steps of a game replayed from CUDA graphs, where nothing in them is decided on the host."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from disent_bench.host import Work, recorded_by, sharing, worked_out
from disent_bench.objective import all_terms
from disent_bench.players import Played
from disent_bench.streams import Stream
from disent_bench.weights import Share

if TYPE_CHECKING:
    from disent_bench.module import DisentModule

WARM_UP = 3
"""Steps taken as they are before one is captured; libraries choose their algorithms in them, optimisers make state."""


class CudaRecorder:
    """Captures what runs on a CUDA device, on a stream of its own, as a capture has to be.

    Where the host works within a step, one graph ends and the next begins; all of a step share their memory.
    """

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()
        self._generators: Sequence[torch.Generator] = ()
        self._pool: Any = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._parts: list[Callable[[], None]] = []

    def warm_up(self, step: Callable[[], Any]) -> tuple[Any, str]:
        """Take a step on the stream of the captures; return what it returns, and where the host waited for it."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream), warnings.catch_warnings(record=True) as caught, recorded_by(self):
            warnings.simplefilter("always")
            with _on_waiting("warn"):
                result = step()
        torch.cuda.current_stream().wait_stream(self.stream)
        waits = [each for each in caught if "called a synchronizing" in str(each.message)]
        return result, f"{waits[0].filename}:{waits[0].lineno}" if waits else ""

    def record(self, step: Callable[[], Any], generators: Sequence[torch.Generator]) -> tuple[Any, Callable[[], None]]:
        """Capture a step without taking it; return what it returns, and what takes it, in the same memory each time.

        Raises:
            RuntimeError: if the step does what a graph cannot hold; the device is of no more use to the process then.
        """
        torch.cuda.synchronize()
        gc.collect()
        torch.cuda.empty_cache()
        self._generators, self._pool, self._parts = generators, torch.cuda.graph_pool_handle(), []
        with torch.cuda.stream(self.stream), recorded_by(self):
            self._begin()
            try:
                result = step()
            finally:
                self._end()
        parts = self._parts

        def replay() -> None:
            for part in parts:
                part()

        return result, replay

    def call(self, work: Work, given: Sequence[Tensor], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Leave a gap for what the host does; in a warm-up, do it."""
        if self._graph is None:
            with _on_waiting("default"):
                return tuple(each.to(given[0].device) for each in worked_out(work, given))
        self._end()
        call = HostCall(work, given, like)
        self._parts.append(call)
        self._begin()
        return call.found

    def _begin(self) -> None:
        self._graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            self._graph.register_generator_state(generator)
        # Other threads may wait for the device meanwhile, for what packed runs do aside.
        self._graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")

    def _end(self) -> None:
        graph, self._graph = self._graph, None
        if graph is not None:  # else something failed in a gap
            graph.capture_end()
            self._parts.append(graph.replay)


class HostCall:
    """What the host does between two graphs: values leave the device, are worked on while others have it, and return.

    Args:
        work: as for `disent_bench.host.on_host`.
        given: memory that a graph before this writes to.
        like: as for `disent_bench.host.on_host`.

    Attributes:
        found: memory that a graph after this reads from.
    """

    def __init__(self, work: Work, given: Sequence[Tensor], like: Sequence[Tensor]) -> None:
        self._work, self._given = work, [each.detach() for each in given]
        device = given[0].device
        pinned = device.type == "cuda"  # else nothing can be copied while the host does something else
        self._sent = [torch.empty(each.shape, dtype=each.dtype, pin_memory=pinned) for each in given]
        self._returned = [torch.empty(each.shape, dtype=each.dtype, pin_memory=pinned) for each in like]
        self.found = tuple(torch.empty_like(each, device=device) for each in like)
        self._there = torch.cuda.Event() if pinned else None

    def __call__(self) -> None:
        """Do it once."""
        for here, there in zip(self._sent, self._given, strict=True):
            here.copy_(there, non_blocking=True)
        if self._there is not None:
            self._there.record()
        with sharing().aside():
            if self._there is not None:
                self._there.synchronize()
            for kept, each in zip(self._returned, worked_out(self._work, self._sent), strict=True):
                kept.copy_(each)
        for there, here in zip(self.found, self._returned, strict=True):
            there.copy_(here, non_blocking=True)


@contextmanager
def _on_waiting(mode: str) -> Iterator[None]:
    """Let torch ``warn`` where the host waits for the device, or say nothing, its ``default``."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode(mode)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


class Capture:
    """Takes the steps of a `DisentModule` from captured graphs, which saves the host's time for each launch.

    Graphs hold from one change of control flow to the next: until a term starts, or an optimiser's setting or the
    shape of a batch changes; the `WARM_UP` steps after a change are taken as they are. So are all steps in which a term
    says that it asks the device for values (`disent_bench.objective.Term.on_host`) or, found in the warm-up, the host
    waits for the device elsewhere; why is said once. Images, weights, buffers and last measurements keep their memory
    from step to step. Work that terms have for the host is done between two graphs (`disent_bench.host.on_host`).

    Args:
        say: prints one line.
        recorder: makes graphs; None for those of CUDA on CUDA devices, none elsewhere.
    """

    def __init__(self, say: Callable[[str], None], recorder: Any = None) -> None:
        self.say = say
        self.recorder = recorder
        self.replayed = 0
        self._flow: Any = None
        self._warm = 0
        self._said = ""
        self._waited = ""
        self._inputs: list[Tensor] = []
        self._played: list[Played] = []
        self._replay: Callable[[], None] | None = None

    def step(
        self, module: DisentModule, images: Tensor, second: Tensor | None, optimizers: Sequence[torch.optim.Optimizer]
    ) -> list[Played]:
        """Take one step, as ``module.play(module.run_pass(images, second), optimizers)`` does.

        What is returned is overwritten by the next step.
        """
        inputs = [images] if second is None else [images, second]
        if not self._possible(module, images.device):
            self._replay = None
            return module.play(module.run_pass(*inputs), list(optimizers))
        if (flow := _flow(module, inputs, optimizers)) != self._flow:
            self._flow, self._warm, self._waited, self._replay = flow, 0, "", None
        if self._warm < WARM_UP or self._waited:
            return self._warm_up(lambda: module.play(module.run_pass(*inputs), list(optimizers)))
        if self._replay is None:
            self._record(module, inputs, optimizers)
            assert self._replay is not None
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        self._replay()
        self.replayed += 1
        module.step += 1
        for optimizer, moved in zip(optimizers, self._played, strict=True):
            if moved.parts and isinstance(optimizer, LightningOptimizer):  # so that Lightning counts the step
                optimizer._on_before_step()
                optimizer._on_after_step()
        return self._played

    def _possible(self, module: DisentModule, device: torch.device) -> bool:
        if self.recorder is None:
            if device.type != "cuda":
                return False
            self.recorder = CudaRecorder()
        if module.gradient_shares or any(isinstance(term.weight, Share) for term in module.objective):
            self._tell("shares of gradients are measured: steps are not replayed from a CUDA graph")
            return False
        hosts = [each.name for each in all_terms(module.objective) if each.on_host and each.start <= module.step]
        if hosts:
            self._tell(f"{' and '.join(hosts)} reads values from the device: steps are not replayed from a CUDA graph")
        return not hosts

    def _tell(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self.say(line)

    def _warm_up(self, step: Callable[[], list[Played]]) -> list[Played]:
        if self._waited:
            return step()
        played: list[Played]
        played, waited = self.recorder.warm_up(step)
        self._warm += 1
        if waited and self._warm == WARM_UP:
            self._waited = waited
            self._tell(f"{waited} asks the device for a value: steps are not replayed from a CUDA graph")
        return played

    def _record(self, module: DisentModule, inputs: list[Tensor], optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self._inputs = [each.clone() for each in inputs]
        plain: list[torch.optim.Optimizer] = [getattr(each, "optimizer", each) for each in optimizers]

        def step() -> list[Played]:
            with _memory_kept(module):
                return [_detached(each) for each in module.play(module.run_pass(*self._inputs), plain)]

        device = inputs[0].device
        streams = [each for each in module.modules() if isinstance(each, Stream)]
        self._played, self._replay = self.recorder.record(step, [each.on(device) for each in streams])


def _flow(module: DisentModule, inputs: list[Tensor], optimizers: Sequence[torch.optim.Optimizer]) -> Any:
    """All that decides which operations a step consists of, save values on the device."""
    started = [term.name for term in all_terms(module.objective) if term.start <= module.step]
    groups = [group for each in optimizers for group in each.param_groups]
    settings = [{name: value for name, value in group.items() if name != "params"} for group in groups]
    return started, [(each.shape, each.stride(), each.dtype) for each in inputs], settings


@contextmanager
def _memory_kept(module: DisentModule) -> Iterator[None]:
    """Leave every buffer, and the last measurements, in the memory that they have, and the number of the step."""
    step, last = module.step, module.last
    buffers = [(owner, name, each) for owner in module.modules() for name, each in owner._buffers.items()]
    try:
        yield
        for owner, name, kept in buffers:
            if kept is not None and (new := owner._buffers[name]) is not kept and new is not None:
                kept.copy_(new)
        for name, value in last.items():
            value.copy_(module.last[name])
    finally:
        for owner, name, kept in buffers:
            owner._buffers[name] = kept
        module.step, module.last = step, last


def _detached(played: Played) -> Played:
    parts = {
        name: replace(part, raw=part.raw.detach(), weighted=part.weighted.detach())
        for name, part in played.parts.items()
    }
    return replace(played, parts=parts)
