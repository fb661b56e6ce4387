"""Shared by the scores that intervene on factors: the encoder's type, checks, and bounded calls."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.inputs import as_codes

Represent = Callable[[NDArray[np.int64]], Any]
ROWS_PER_CALL = 8192  # samples asked of the encoder at once


def check_sizes(factor_sizes: Sequence[int]) -> NDArray[np.int64]:
    """Factor sizes as an array.

    Raises:
        ValueError: There is none, or one is below 2.
    """
    sizes = np.asarray(factor_sizes)
    if sizes.ndim != 1 or len(sizes) == 0 or sizes.dtype.kind not in "iu" or sizes.min() < 2:
        raise ValueError(f"factor_sizes is {factor_sizes}; a sequence of integers, each at least 2, is needed")
    return sizes.astype(np.int64)


def check_positive(**counts: int) -> None:
    """Refuse counts below 1 by name.

    Raises:
        ValueError: Names the argument.
    """
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; a positive number is needed")


def in_chunks(represent: Represent, factors: NDArray[np.int64]) -> NDArray[np.floating]:
    """Codes of all rows of ``factors``, asked for in bounded portions."""
    portions = range(0, len(factors), ROWS_PER_CALL)
    return np.concatenate([as_codes(represent(factors[i : i + ROWS_PER_CALL]), "represent's codes") for i in portions])
