"""How fast a training goes, for people who wait."""

from __future__ import annotations

import time

LINE_SECONDS = 20.0
"""Seconds between two lines about one training, where no bar can be drawn."""


class Pace:
    """Steps a second and time to go of a training that is watched from a step on.

    Args:
        step: where it is.
        steps: how many it has.
    """

    def __init__(self, step: int, steps: int) -> None:
        self.step, self.steps = step, steps
        self._first, self._since = step, 0.0

    def text(self, step: int) -> str:
        """Return where it is, how fast it goes and how long it will take."""
        if step > self.step and not self._since:  # the first steps wait for what is loaded and compiled
            self._first, self._since = step, time.monotonic()
        self.step = step
        if step >= self.steps:
            return f"{step}/{self.steps}, scoring"
        if step <= self._first or not self._since:
            return f"{step}/{self.steps}"
        rate = (step - self._first) / max(time.monotonic() - self._since, 1e-9)
        return f"{step}/{self.steps}, {rate:.1f}/s, {duration((self.steps - step) / rate)} to go"


def duration(seconds: float) -> str:
    """Return seconds as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
