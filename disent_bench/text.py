"""Words from files and people, made fit for a terminal, a table and strict JSON."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

LONGEST = 350
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Cn")


def one_line(text: object) -> str:
    """Return ``text`` in one line, with a mark for each character that steers a terminal or cannot be encoded."""
    words = " ".join(str(text).split())
    if words.isascii() and words.isprintable():
        return words
    return "".join("\ufffd" if unicodedata.category(each) in _UNPRINTABLE else each for each in words)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return ``text``, its middle left out if it is longer than ``longest``."""
    if len(text) <= longest:
        return text
    half = (longest - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def natural(text: object) -> list[tuple[int, float, str]]:
    """A key that sorts numbers within words by their size: ``gamma=5`` before ``gamma=25``."""
    parts = re.split(r"(\d+(?:\.\d+)?)", str(text))
    return [(0, float(part), "") if place % 2 else (1, 0.0, part) for place, part in enumerate(parts) if part]


def strict(value: Any) -> Any:
    """Return plain data with null for numbers that JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: strict(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [strict(each) for each in value]
    return value


def seeds_text(seeds: Sequence[int]) -> str:
    """Return ``seed 3`` or ``seeds 0-2, 5``."""
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and runs[-1][-1] == seed - 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    spans = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"seed{'s' if len(seeds) > 1 else ''} {spans}"
