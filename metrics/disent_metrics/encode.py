"""Codes of a factor grid, each grid point encoded at most once and shared by every score."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.interventions import check_sizes
from disent_metrics.inputs import Codes, TooFewSamplesError, as_codes, as_factors

MAX_POINTS = 2**28  # 268 million; above that the table of what is known grows past 256 MB


class GridCodes:
    """A representation over a factor grid that looks up what it encoded before.

    FactorVAE and BetaVAE scores ask for about a million images, most of them several times; here every
    distinct grid point goes through the encoder once, in large batches. Only for grids without nuisance
    variation: where one factor vector has several images (SmallNORB without its instances, noisy dSprites) a lookup
    would always return the same one, so pass such an encoder to the scores directly.

    Args:
        encode_indices: Maps flat grid indices, int64 ``(n,)``, to codes ``(n, d)`` (array or tensor).
        sizes: Number of values of each factor ``(k,)``; the last factor varies fastest in the flat index.
        batch_size: Grid points per call of ``encode_indices``.

    Raises:
        ValueError: Sizes below 2, or a grid of more than 268 million points.

    >>> grid = GridCodes(lambda indices: np.stack([indices, -indices], axis=1), (2, 3))
    >>> grid(np.array([[1, 2], [0, 0], [1, 2]]))
    array([[ 5., -5.],
           [ 0.,  0.],
           [ 5., -5.]], dtype=float32)
    >>> grid.num_encoded
    2
    """

    def __init__(
        self,
        encode_indices: Callable[[NDArray[np.int64]], Any],
        sizes: Sequence[int],
        *,
        batch_size: int = 1024,
    ) -> None:
        self.sizes = tuple(int(size) for size in check_sizes(sizes))
        points = int(np.prod([float(size) for size in self.sizes]))
        if points > MAX_POINTS:
            raise ValueError(
                f"sizes span {points} grid points, more than {MAX_POINTS}; pass the encoder to the scores directly"
            )
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; a positive number is needed")
        self._encode = encode_indices
        self._batch_size = batch_size
        self._known = np.zeros(points, dtype=bool)
        self._codes: NDArray[np.float32] | None = None

    @classmethod
    def from_represent(cls, represent: Callable[[Any], Any], sizes: Sequence[int], **options: Any) -> "GridCodes":
        """Wrap ``represent(factors (n, k)) -> codes (n, d)``; a ``GridCodes`` is returned as it is."""
        if isinstance(represent, cls):
            return represent
        grid = tuple(int(size) for size in check_sizes(sizes))
        return cls(lambda index: represent(np.stack(np.unravel_index(index, grid), axis=1)), grid, **options)

    @classmethod
    def from_arrays(cls, codes: Any, factors: Any, sizes: Sequence[int]) -> "GridCodes":
        """Look up given codes; of several rows for one grid point the first counts.

        Raises:
            ValueError: Some grid point has no row.
        """
        given, labels = as_codes(codes), as_factors(factors)
        grid = tuple(int(size) for size in check_sizes(sizes))
        flat = np.ravel_multi_index(tuple(labels.T), grid)
        points, row = np.unique(flat, return_index=True)
        missing = int(np.prod(grid)) - len(points)
        if missing:
            raise TooFewSamplesError(
                f"factors lack {missing} of the {len(points) + missing} grid points; this score intervenes "
                "on factors and needs the code of every grid point, or an encoder over the grid"
            )
        return cls(lambda index: given[row[index]], grid)

    @property
    def num_encoded(self) -> int:
        """Distinct grid points encoded so far."""
        return int(self._known.sum())

    def __call__(self, factors: Any) -> NDArray[np.float32]:
        """Codes ``(n, d)`` of factor indices ``(n, k)``."""
        return self.codes(np.ravel_multi_index(tuple(np.asarray(factors).T), self.sizes))

    def codes(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes ``(n, d)`` of flat grid indices ``(n,)``."""
        missing = np.unique(indices[~self._known[indices]])
        for start in range(0, len(missing), self._batch_size):
            self._store(missing[start : start + self._batch_size])
        if self._codes is None:
            raise ValueError("indices is empty; at least one grid point is needed")
        return self._codes[indices]

    def _store(self, indices: NDArray[np.int64]) -> None:
        codes: Codes = as_codes(self._encode(indices), "the encoder's codes")
        if len(codes) != len(indices):
            raise ValueError(f"the encoder returned {len(codes)} codes for {len(indices)} grid points")
        if self._codes is None:
            self._codes = np.zeros((len(self._known), codes.shape[1]), dtype=np.float32)
        self._codes[indices] = codes
        self._known[indices] = True
