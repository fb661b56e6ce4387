"""Batches computed in parts, side by side on the cores of a processor."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache, partial
from threading import Barrier
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

T = TypeVar("T")
Layers = tuple[Tensor, ...]

ROWS = 16
"""Images of 64x64 in a part, or more: with fewer, starting a layer takes as long as computing it."""
FEWEST = 4
"""Rows of a part, or more, where a short batch is divided in two all the same."""
MOST = 16
"""Parts that have gradients, which are summed one by one."""

_threads: ContextVar[int | None] = ContextVar("threads of side_by_side, if not torch's", default=None)


def in_parts(
    function: Callable[[Tensor], Layers], rows: Tensor, parameters: Iterable[Tensor], rows_of_part: int = ROWS
) -> Layers:
    """Return ``function(rows)``, computed part by part on a processor's cores; gradients of every order are exact.

    How a batch is divided depends on its length alone, and each part is computed by one thread: values and gradients
    are the same, bit for bit, on any number of threads. Libraries that divide each layer among threads sum the
    gradients of weights in another order for each number of threads, and wait for the slowest thread layer by layer.

    Short batches, other devices, and what `torch.func` or forward mode differentiates are computed as a whole.

    Args:
        function: maps ``(b, ...)`` to one or more ``(b, ...)``, each row by itself, without random numbers.
        rows: ``(b, ...)``.
        parameters: all others that the result depends on.
        rows_of_part: as many, or more; fewer pay for larger images (`rows_for`).
    """
    number = max(len(rows) // rows_of_part, min(2, len(rows) // FEWEST))
    transformed = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    if number < 2 or rows.device.type != "cpu" or transformed:
        return function(rows)
    keep_freed_memory()
    learned = [each for each in parameters if each.requires_grad] if torch.is_grad_enabled() else []
    if learned or (rows.requires_grad and torch.is_grad_enabled()):
        result: Layers = _InParts.apply(function, min(number, MOST), rows, *learned)
        return result
    return _joined(side_by_side(partial(_with_grad, function, enabled=False), rows.tensor_split(number)))


def is_per_image(network: object) -> bool:
    """Whether a network says that it treats images one by one (`disent_bench.registry.register_network`)."""
    return bool(getattr(network, "per_image", False))


def rows_for(height: int, width: int) -> int:
    """Return how many images of a size make a part that takes as long as `ROWS` of 64x64, or less."""
    return max(1, min(ROWS, ROWS * 64 * 64 // (height * width)))


def side_by_side(work: Callable[[T], Any], items: Sequence[T]) -> list[Any]:
    """Return ``[work(each) for each in items]``, computed by as many threads as torch has, one thread each."""
    threads = min(_threads.get() or torch.get_num_threads(), len(items))
    if threads == 1:
        return [work(each) for each in items]
    return list(_pool(os.getpid(), threads).map(work, items))


@contextmanager
def in_parts_only() -> Iterator[None]:
    """Let torch's operations have one thread here; `side_by_side` has as many as torch had.

    What is computed between parts is small. Threads that wait to help with it keep the parts' threads from the cores.
    """
    before = torch.get_num_threads()
    told = _threads.set(_threads.get() or before)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _threads.reset(told)


@lru_cache(maxsize=4)
def _pool(_process: int, threads: int) -> ThreadPoolExecutor:
    """Threads within which torch has no others; made anew after a fork, which keeps none."""
    before, started = torch.get_num_threads(), Barrier(threads)

    def alone(_: int) -> None:
        torch.get_num_threads()  # takes the number that was set last, anywhere, when a thread first asks for it
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="part")
    list(pool.map(alone, range(threads)))
    torch.set_num_threads(before)  # which threads to come take, too
    return pool


@cache
def keep_freed_memory() -> None:
    """Let the C library keep memory that is freed, for the next step of the same kind, where it is glibc.

    Left to itself it may return the largest activations to the system after each step and take them back page by page,
    which can cost half a step's time.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        for option, value in ((-1, 1 << 30), (-3, 1 << 25)):  # M_TRIM_THRESHOLD; M_MMAP_THRESHOLD, at its bound
            library.mallopt(option, value)


def _with_grad(function: Callable[[T], Any], given: T, *, enabled: bool) -> Any:
    with torch.set_grad_enabled(enabled):  # threads do not inherit it
        return function(given)


def _joined(parts: Sequence[Layers]) -> Layers:
    return tuple(torch.cat(layer) for layer in zip(*parts, strict=True))


class _InParts(Function):
    """Each part keeps a graph of its own, which the backward pass goes through."""

    @staticmethod
    def forward(
        ctx: Any, function: Callable[[Tensor], Layers], number: int, rows: Tensor, *parameters: Tensor
    ) -> Layers:
        wanted = ctx.needs_input_grad[2]
        ctx.function, ctx.rows = function, [part.detach().requires_grad_(wanted) for part in rows.tensor_split(number)]
        ctx.results = side_by_side(partial(_with_grad, function, enabled=True), ctx.rows)
        ctx.save_for_backward(rows, *parameters)
        return _joined([tuple(layer.detach() for layer in result) for result in ctx.results])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, *parameters = ctx.saved_tensors
        wants_rows, *wanted = (_is_asked_for(node) for node, _ in ctx.next_functions)
        asked = [each for each, is_wanted in zip(parameters, wanted, strict=True) if is_wanted]

        def handed_on(of_rows: Tensor | None, of_asked: Iterable[Tensor | None]) -> tuple[Tensor | None, ...]:
            there = iter(of_asked)
            return (None, None, of_rows, *(next(there) if is_wanted else None for is_wanted in wanted))

        if torch.is_grad_enabled():  # the gradient is to have gradients itself
            own = [rows] if wants_rows else []
            found = torch.autograd.grad(
                ctx.function(rows), [*own, *asked], gradients, create_graph=True, allow_unused=True
            )
            return handed_on(found[0] if wants_rows else None, found[len(own) :])

        def pull(place: int) -> list[Tensor | None]:
            own = [ctx.rows[place]] if wants_rows else []
            given = [gradient[place] for gradient in pieces]
            return list(
                torch.autograd.grad(ctx.results[place], [*own, *asked], given, retain_graph=True, allow_unused=True)
            )

        pieces = [gradient.tensor_split(len(ctx.rows)) for gradient in gradients]
        pulled = side_by_side(pull, range(len(ctx.rows)))
        of_rows = torch.cat([each.pop(0) for each in pulled]) if wants_rows else None
        return handed_on(of_rows, (_sum(each) for each in zip(*pulled, strict=True)))


def _is_asked_for(node: Any) -> bool:
    """Whether the backward pass at hand wants the gradient that is handed on to a node of the graph.

    A loss that reaches the encoder through an opponent's network asks for no gradient of that network's weights.
    """
    if node is None:
        return False
    try:
        return torch._C._will_engine_execute_node(node)
    except RuntimeError as error:
        if "A leaf node was passed" not in str(error):
            raise
        return True  # torch.autograd.grad was called for it


def _sum(values: Sequence[Tensor | None]) -> Tensor | None:
    there = [each for each in values if each is not None]
    return sum(there[1:], there[0]) if there else None
