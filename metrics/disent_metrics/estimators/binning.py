"""Edges of bins."""

import numpy as np
from numpy.typing import NDArray


def inner_edges(column: NDArray[np.floating], num_bins: int) -> NDArray[np.floating] | None:
    """Lower edges ``(num_bins,)`` of equal-width bins between a column's minimum and maximum.

    None if the range is too narrow for that many edges in its floating-point type: rounding noise around a constant.

    Raises:
        ValueError: ``num_bins`` is below 2.
    """
    if num_bins < 2:
        raise ValueError(f"num_bins is {num_bins}; at least 2 bins are needed")
    try:
        edges = np.histogram_bin_edges(column, num_bins)
    except ValueError:  # what numpy says of such a range since 2.1
        return None
    return edges[:-1] if (np.diff(edges) > 0).all() else None
