"""Choosing settings on seeds that no table reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Any

import numpy as np
from disent_datasets import FactorGrid
from disent_metrics.catalogue import get_score
from disent_metrics.functional import unsupervised_disentanglement_ranking

from disent_bench.files import write_atomically
from disent_bench.leaderboard.records import Record
from disent_bench.leaderboard.rows import aggregate
from disent_bench.registry import unknown_name
from disent_bench.runs.callbacks.evaluate import encode_in_batches
from disent_bench.runs.folder import RunFolder
from disent_bench.runs.model import load_run
from disent_bench.text import seeds_text

UDR = "udr"
UDR_IMAGES = 2000


@dataclass(frozen=True)
class Tuning:
    """How a study chooses among the settings of a grid.

    Attributes:
        seeds: of the trials; no table reports them.
        by: name of a score, whose mean over the seeds decides, or ``udr``: how well models of one setting agree on
            their latents (Duan et al. 2020, Lasso), which needs no labels.
    """

    seeds: tuple[int, ...]
    by: str

    @property
    def rule(self) -> str:
        """The rule in words."""
        return f"mean {self.by} over {seeds_text(self.seeds)}"

    def check(self, scores: Iterable[str]) -> None:
        """Refuse a score that no trial will have.

        Raises:
            ValueError: if ``by`` is neither UDR nor a number of one of the ``scores``.
        """
        known = {UDR, *(key for name in scores for key in get_score(name).keys)}
        if self.by not in known:
            raise unknown_name("score to choose by", self.by, known)


def expanded(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of the values of a grid; one without settings for none."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def values_by_score(records: Iterable[Record], score: str) -> dict[str, float]:
    """Return the mean of a score over the trials of each setting, by the setting's key, higher being better.

    Failed trials count with the untrained score. A setting that lacks the score has no value.
    """
    found = {}
    for row in aggregate(records):
        if summary := row.scores.get(score):
            found[row.key] = -summary.mean if summary.higher_is_better is False else summary.mean
    return found


def values_by_agreement(records: Iterable[Record], grid: FactorGrid) -> dict[str, float]:
    """Return the mean UDR of the trials of each setting, by the setting's key; 0 below two finished trials."""
    indices = np.random.default_rng(0).choice(grid.available, size=UDR_IMAGES)
    codes: dict[str, list[Any]] = {}
    for record in records:
        codes.setdefault(record.key, [])
        if record.failure is None:
            codes[record.key].append(encode_in_batches(load_run(record.folder), grid, indices))
    return {
        key: fmean(unsupervised_disentanglement_ranking(models).tolist()) if len(models) > 1 else 0.0
        for key, models in codes.items()
    }


def write_choice(folder: RunFolder, tuning: Tuning, settings: int, *, chosen: bool) -> None:
    """Write beside the runs of a setting how it was tried, and whether it was chosen.

    Seeds that another study tried it with are kept.
    """
    before = folder.read_tuning()
    content = {
        "rule": tuning.rule,
        "settings": settings,
        "trials": settings * len(tuning.seeds),
        "seeds": sorted({*tuning.seeds, *before.get("seeds", ())}),
        "chosen": chosen,
    }
    write_atomically(folder.tuning, json.dumps(content, indent=2) + "\n")
