"""From results to tables; knows no training. Called as a function, it returns the `Leaderboard` of a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from disent_bench.leaderboard.frame import Leaderboard


class _Called(ModuleType):
    """``disent_bench.leaderboard`` is this package, and by the name users know also the function that makes one."""

    def __call__(self, runs: str | Path | None = None, *, all: bool = False) -> Leaderboard:
        from disent_bench.leaderboard.frame import Leaderboard

        return Leaderboard(runs, all=all)


sys.modules[__name__].__class__ = _Called
