"""Deterministic random choice of training and test rows from codes given as arrays."""

import numpy as np
from numpy.typing import NDArray

from disent_metrics.inputs import Codes, Factors, Split


def hold_out(
    codes: Codes,
    factors: Factors,
    *,
    num_train: int | None = None,
    num_test: int | None = None,
    seed: int = 0,
) -> Split:
    """Random split that depends on ``seed`` and the number of rows only.

    ``num_train`` and ``num_test`` rows if both are given and there are as many, else two thirds and one
    third.
    """
    rows = len(codes)
    order = np.random.default_rng(seed).permutation(rows)
    if num_train is None or num_test is None or rows < num_train + num_test:
        num_test = rows // 3
        num_train = rows - num_test
    train, test = order[:num_train], order[num_train : num_train + num_test]
    return Split(codes[train], factors[train], codes[test], factors[test])


def choose_rows(rows: int, count: int, seed: int) -> NDArray[np.intp]:
    """At most ``count`` of ``rows`` row numbers, in order."""
    if rows <= count:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])
