"""How fast a training goes, for people who wait."""

from __future__ import annotations

import re
import time
from collections import deque

LINE_SECONDS = 20.0
"""Seconds between two lines about one training, where no bar can be drawn."""
WINDOW_SECONDS = 60.0
"""How far back the pace is taken from: a term that starts makes steps slower."""


class Pace:
    """Steps a second and time to go of a training that is watched from a step on.

    Args:
        step: where it is.
        steps: how many it has.
    """

    def __init__(self, step: int, steps: int) -> None:
        self.step, self.steps = step, steps
        self._seen: deque[tuple[float, int]] = deque()

    def text(self, step: int) -> str:
        """Return where it is, how fast it goes and how long it will take."""
        if step > self.step:  # the first steps wait for what is loaded and compiled
            self._seen.append((time.monotonic(), step))
            while len(self._seen) > 2 and self._seen[-1][0] - self._seen[1][0] >= WINDOW_SECONDS:
                self._seen.popleft()
        self.step = step
        if step >= self.steps:
            return f"{step}/{self.steps}, scoring"
        if self.rate is None:
            return f"{step}/{self.steps}"
        return f"{step}/{self.steps}, {self.rate:.1f}/s, {duration((self.steps - step) / self.rate)} to go"

    @property
    def rate(self) -> float | None:
        """Steps a second, lately; None if there were too few."""
        if len(self._seen) < 2:
            return None
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / max(end - start, 1e-9)


def seconds_of(text: str) -> float:
    """Return what people write as ``25m``, ``90s`` or ``1h30m``.

    Raises:
        ValueError: if it is no such time, or none at all.
    """
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip())
    hours, minutes, seconds = (int(part or 0) for part in (found.groups() if found else (0, 0, 0)))
    total = 3600 * hours + 60 * minutes + seconds
    if not total:
        raise ValueError(f"{text!r} is no time such as 25m, 90s or 1h30m")
    return total


def duration(seconds: float) -> str:
    """Return seconds as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
