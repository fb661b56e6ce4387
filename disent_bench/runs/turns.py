"""Several runs in one process, one of which works at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch

from disent_bench.runs.callbacks.checkpoint import random_state, set_random_state

ENTRY_SECONDS = 0.2
"""Seconds between two looks at whether there is room."""


class Turns:
    """Lets threads work in turn, each with random generators of its own, and on a GPU a stream.

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

    @contextmanager
    def within(self) -> Iterator[None]:
        """Wait for room, then for a turn; work until the end, or until `pass_on`."""
        me = threading.get_ident()
        try:
            with self._changed:
                while not self._has_room():
                    self._changed.wait(ENTRY_SECONDS)
                self._turns[me] = 0
            self._wait()
            with torch.cuda.stream(torch.cuda.Stream()) if torch.cuda.is_available() else nullcontext():
                yield
        finally:
            with self._changed:
                self._turns.pop(me, None)
                if me in self._queue:
                    self._queue.remove(me)
                self._let_go()

    def pass_on(self) -> None:
        """Let all others who wait work first."""
        with self._changed:
            self._turns[threading.get_ident()] += 1
            self._changed.notify_all()
            if not self._queue:
                return
        state = random_state()
        with self._changed:
            self._let_go()
        self._wait()
        set_random_state(state)

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
            self._working = me

    def _let_go(self) -> None:
        if self._working == threading.get_ident():
            self._working = None
        self._changed.notify_all()
