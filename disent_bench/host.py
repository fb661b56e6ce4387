"""What a step asks of the host: work that a device, and other runs of the process, need not stop for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

Work = Callable[..., tuple[NDArray[Any], ...]]


class Alone:
    """A run that has its process for itself; `disent_bench.runs.turns.Turns` says the same things for several."""

    def between_steps(self) -> None:
        """Let others work, if this run has worked for long."""

    def before_waiting(self) -> None:
        """Let others work before the host waits for what the device has to compute first."""

    def aside(self) -> AbstractContextManager[None]:
        """Let others work while the host works, or waits, for this run alone."""
        return nullcontext()


class Recorder(Protocol):
    """Makes a graph of a step, with gaps for what the host does."""

    def call(self, work: Work, given: Sequence[Tensor], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the memory, on the device of ``given``, in which each replay puts what ``work`` makes of ``given``."""


_ALONE = Alone()
_sharing: ContextVar[Alone] = ContextVar("how the run of this thread shares its process", default=_ALONE)
_recorder: ContextVar[Recorder | None] = ContextVar("what records the step at hand", default=None)


def sharing() -> Alone:
    """Return how the run of this thread shares its process."""
    return _sharing.get()


def shared_by(turns: Alone) -> AbstractContextManager[None]:
    """Let the run of this thread share its process so."""
    return _within(_sharing, turns)


def is_recorded() -> bool:
    """Whether the step at hand is to be replayed: nothing in it may ask the device for a value, and all shapes stay."""
    return _recorder.get() is not None


def recorded_by(recorder: Recorder) -> AbstractContextManager[None]:
    """Record the step that is taken within."""
    return _within(_recorder, recorder)


@contextmanager
def _within(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def on_host(work: Work, given: Sequence[Tensor], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return what ``work`` makes of the arrays of ``given``, on their device, without gradient.

    Other runs of the process may work meanwhile.

    Args:
        work: maps arrays to a tuple of arrays; it draws no random numbers.
        given: on one device.
        like: of the types of the results, and of the shapes that they have in a recorded step.
    """
    if (recorder := _recorder.get()) is not None:
        return recorder.call(work, given, like)
    with sharing().aside():
        found = worked_out(work, given)
    return tuple(each.to(given[0].device) for each in found)


def worked_out(work: Work, given: Sequence[Tensor]) -> list[Tensor]:
    """Return, on the host, what ``work`` makes of the arrays of ``given``."""
    return [torch.from_numpy(each) for each in work(*(each.detach().cpu().numpy() for each in given))]
