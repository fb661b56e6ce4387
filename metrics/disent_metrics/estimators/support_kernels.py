"""Compiled kernel: one-sided Hausdorff distance between recombined and joint pairs of code dimensions."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def farthest_recombination(a: Any, b: Any) -> float:
    """Largest squared distance of any recombination ``(a[i], b[j])`` to its nearest pair ``(a[k], b[k])``.

    A recombination that is found closer than the largest distance so far cannot matter and is left at once.
    """
    farthest = 0.0
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            nearest = np.inf
            for k in range(a.shape[0]):
                nearest = min(nearest, (a[i] - a[k]) ** 2 + (b[j] - b[k]) ** 2)
                if nearest <= farthest:
                    break
            farthest = max(farthest, nearest)
    return farthest


@njit(cache=True, nogil=True)
def sum_over_pairs(codes: Any, batch_size: int, first: int, last: int, out: Any) -> None:
    """Sum of ``farthest_recombination`` over all pairs of dimensions, for the batches ``first`` to ``last - 1``."""
    for batch in range(first, last):
        rows = codes[batch * batch_size : (batch + 1) * batch_size]
        total = 0.0
        for i in range(codes.shape[1]):
            for j in range(i + 1, codes.shape[1]):
                total += farthest_recombination(rows[:, i].copy(), rows[:, j].copy())
        out[batch] = total
