"""Data sets with a nuisance: something beside the factors that is sampled anew at each access."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disent_datasets.factors import check_indices
from disent_datasets.grid import BLOCK, FactorGrid
from disent_datasets.request import DatasetInfo

Draw = Callable[[FactorGrid, NDArray[np.int64], np.random.Generator], NDArray[np.uint8]]
"""From the stored grid, image numbers (n,) and a generator to images uint8 (n, h, w, c)."""


class NuisanceGrid(FactorGrid):
    """A stored grid seen through a random transform: colours, noise, or which of several instances is shown.

    Training passes a generator that depends on seed and step alone. Without one, the nuisance depends on the image
    numbers of the call: the same call gives the same images, but an image differs from call to call, so its code
    must not be remembered (``nuisance`` says so).

    Args:
        base: the stored images.
        info: the data set that is seen.
        draw: makes its images.
        recipe: names everything that ``draw`` depends on; goes into the fingerprint.
    """

    nuisance = True

    def __init__(self, base: FactorGrid, info: DatasetInfo, draw: Draw, recipe: str) -> None:
        # Not FactorGrid's own initialiser: the stored images need not be one for each factor combination seen.
        self.base = base
        self.stored = base.stored
        self.space = info.space
        self.name = info.name
        self.source = base.source
        self.scale = info.scale
        self._shape = info.shape
        self._draw = draw
        self._fingerprint = hashlib.sha256(f"{info.name} {recipe} {base.fingerprint}".encode()).hexdigest()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(h, w, c) of one image."""
        return self._shape

    def images(self, indices: ArrayLike, generator: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """Images (n, h, w, c) of the given numbers (n,), with a nuisance from ``generator``.

        Raises:
            ValueError: if an index lies outside ``0 .. len - 1``.
        """
        numbers = check_indices(indices, len(self))
        return self._draw(self.base, numbers, _generator_for(numbers) if generator is None else generator)

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[np.uint8]]:
        """All images in index order, ``size`` at a time, each with one of its nuisances."""
        for start in range(0, len(self), size):
            yield self.images(np.arange(start, min(start + size, len(self))))


def _generator_for(indices: NDArray[np.int64]) -> np.random.Generator:
    digest = hashlib.blake2b(indices.astype("<i8", copy=False).tobytes(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
