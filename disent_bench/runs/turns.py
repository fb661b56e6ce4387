"""Several runs in one process, one of which works at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch

from disent_bench.host import Alone, shared_by
from disent_bench.runs.callbacks.checkpoint import random_state, set_random_state

ENTRY_SECONDS = 0.2
"""Seconds between two looks at whether there is room."""
SLICE_SECONDS = 0.02
"""Seconds after which a turn ends with the step, if others wait."""


class Turns(Alone):
    """Lets threads work in turn, each with random generators and settings of its own, and on a GPU a stream.

    Args:
        most: how many may be within at a time.
        room: whether one more fits beside those who are within, which have all had a turn by then.
    """

    def __init__(self, most: int, room: Callable[[int], bool] = lambda within: True) -> None:
        self._most, self._room = most, room
        self._changed = threading.Condition()
        self._queue: deque[int] = deque()
        self._working: int | None = None
        self._turns: dict[int, int] = {}
        self._since = 0.0
        self._settings = _settings()

    @contextmanager
    def within(self) -> Iterator[None]:
        """Wait for room, then for a turn; work until the end, but for what `disent_bench.host.Alone` names."""
        me = threading.get_ident()
        try:
            with self._changed:
                while not self._has_room():
                    self._changed.wait(ENTRY_SECONDS)
                self._turns[me] = 0
            self._wait()
            _set(self._settings)
            own = torch.cuda.stream(torch.cuda.Stream()) if torch.cuda.is_available() else nullcontext()
            with own, shared_by(self):
                yield
        finally:
            with self._changed:
                self._turns.pop(me, None)
                if me in self._queue:
                    self._queue.remove(me)
                self._let_go()

    def between_steps(self) -> None:
        """Let all others who wait work first, if this turn has been long."""
        if self._queue and time.monotonic() - self._since > SLICE_SECONDS:
            self.before_waiting()

    def before_waiting(self) -> None:
        """Let all others who wait work first."""
        with self._changed:
            self._turns[threading.get_ident()] += 1
            self._changed.notify_all()
            if not self._queue:
                return
        with self.aside():
            pass

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let others work until the end of what is done within, which touches nothing that they share."""
        state, settings = random_state(), _settings()
        with self._changed:
            self._let_go()
        try:
            yield
        finally:
            self._wait()
            set_random_state(state)
            _set(settings)

    def _has_room(self) -> bool:
        if not self._turns:
            return True
        return len(self._turns) < self._most and all(self._turns.values()) and self._room(len(self._turns))

    def _wait(self) -> None:
        me = threading.get_ident()
        with self._changed:
            self._queue.append(me)
            self._changed.wait_for(lambda: self._working is None and self._queue[0] == me)
            self._queue.popleft()
            self._working, self._since = me, time.monotonic()

    def _let_go(self) -> None:
        if self._working == threading.get_ident():
            self._working = None
        self._changed.notify_all()


def _settings() -> tuple[int, bool]:
    """What a step sets for the whole process while it is taken."""
    return torch.get_num_threads(), torch.backends.cudnn.allow_tf32


def _set(settings: tuple[int, bool]) -> None:
    threads, torch.backends.cudnn.allow_tf32 = settings
    torch.set_num_threads(threads)
