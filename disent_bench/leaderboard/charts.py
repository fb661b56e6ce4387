"""Drawings of numbers as places on a canvas, which a template turns into SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from disent_bench.leaderboard.rows import ScoreSummary
from disent_bench.leaderboard.tables import number
from disent_bench.text import shortened

WIDTH = 380.0
LABELS = 150.0
ROW = 18.0
TOP, BOTTOM, RIGHT = 8.0, 22.0, 18.0
AXIS = 46.0
HEIGHT = 190.0
LONGEST_LABEL = 26
TICKS = 4
FIRST_HUE = 210.0


@dataclass(frozen=True)
class Tick:
    """A value at its place on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Dot:
    """A seed's score; ``hollow`` if its run failed and the untrained score stands for it."""

    x: float
    y: float
    text: str
    hollow: bool


@dataclass(frozen=True)
class Mean:
    """A mean and the interval around it, as ends of a line where there is one."""

    x: float
    y: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Path:
    """Points joined by a line, of a ``hue`` in degrees; ``mean`` ones stand out."""

    points: str
    hue: float
    text: str
    mean: bool


@dataclass(frozen=True)
class Chart:
    """What is drawn, in places on a canvas of ``width`` by ``height`` whose plot starts at ``left``.

    ``text`` says it for those who do not see it; ``references`` are places of untrained scores.
    """

    title: str
    text: str
    width: float
    height: float
    left: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    dots: tuple[Dot, ...] = ()
    means: tuple[Mean, ...] = ()
    paths: tuple[Path, ...] = ()
    references: tuple[Tick, ...] = ()

    @property
    def right(self) -> float:
        """Where the plot ends across."""
        return self.width - RIGHT

    @property
    def bottom(self) -> float:
        """Where the plot ends down."""
        return self.height - BOTTOM


def dot_chart(title: str, scores: Mapping[str, ScoreSummary], untrained: Mapping[str, float]) -> Chart:
    """Draw the score of every seed, a line of dots for each label, with mean and interval.

    Args:
        title: of the score.
        scores: over seeds, by label; at least one.
        untrained: reference scores, by label.
    """
    values = [value for score in scores.values() for value in (*score.values, *(score.ci95 or ()))]
    scale = _Scale([*values, *untrained.values()], LABELS, WIDTH - RIGHT)
    dots, means, ticks = [], [], []
    for place, (label, score) in enumerate(scores.items()):
        y = TOP + ROW * (place + 0.5)
        ticks.append(Tick(y, shortened(label, LONGEST_LABEL)))
        for seed, value in zip(score.seeds, score.values, strict=True):
            failed = seed in score.crashed
            said = f"{label}, seed {seed}: {number(value)}{' (failed: the untrained score)' if failed else ''}"
            dots.append(Dot(scale(value), y, said, failed))
        low, high = score.ci95 or (score.mean, score.mean)
        means.append(Mean(scale(score.mean), y, scale(low), scale(high), f"{label}, mean: {number(score.mean)}"))
    said = "; ".join(f"{label} {number(score.mean)}, seeds {score.n}" for label, score in scores.items())
    references = tuple(Tick(scale(value), f"{label}: {number(value)}") for label, value in untrained.items())
    height = TOP + ROW * len(scores) + BOTTOM
    ends = (tuple(scale.ticks()), tuple(ticks))
    return Chart(
        title, f"{title}, means: {said}", WIDTH, height, LABELS, *ends, tuple(dots), tuple(means), (), references
    )


def line_chart(title: str, series: Mapping[str, Sequence[Mapping[int, float]]]) -> Chart:
    """Draw values against steps, a colour for each label: thin for each of several runs, thick for their mean.

    Args:
        title: of the value.
        series: for each label finite values by step, a mapping for each run; none is empty.
    """
    runs = [run for found in series.values() for run in found]
    across = _Scale([0, *(step for run in runs for step in run)], AXIS, WIDTH - RIGHT, whole=True)
    up = _Scale([value for run in runs for value in run.values()], HEIGHT - BOTTOM, TOP)
    paths, ends = [], []
    for place, (label, found) in enumerate(series.items()):
        hue = (FIRST_HUE + 360 * place / len(series)) % 360
        common = sorted(set.intersection(*(set(run) for run in found)))
        mean = {step: fmean(run[step] for run in found) for step in common}
        for run, thick in [*((run, False) for run in found if len(found) > 1), *([(mean, True)] if mean else [])]:
            points = " ".join(f"{across(step):.1f},{up(run[step]):.1f}" for step in sorted(run))
            paths.append(Path(points, hue, label, thick))
        if mean:
            ends.append(f"{label} {number(mean[common[-1]])} at step {common[-1]}")
    text = f"{title} against steps: {'; '.join(ends)}"
    ticks = (tuple(across.ticks()), tuple(up.ticks()))
    return Chart(title, text, WIDTH, HEIGHT, AXIS, *ticks, paths=tuple(paths))


class _Scale:
    """From values to places between two ends, with some room around the values."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, whole: bool = False) -> None:
        self.low, self.high = min(values), max(values)
        room = 0.0 if whole else 0.04 * (self.high - self.low)
        if self.high - self.low <= 1e-9 * max(1.0, abs(self.high)):
            room = 0.5 * max(abs(self.high), 1e-3)
        self.low, self.high = self.low - room, self.high + room
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[Tick]:
        """Return round values within the ends."""
        rough = (self.high - self.low) / TICKS
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [Tick(self(place * step), f"{place * step:.4g}") for place in range(first, last + 1)]
