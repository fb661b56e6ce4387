"""Look-alikes: data sets rendered here that have the factors, and the kind of scene, of a published one.

They are no substitute for the original: no score on a look-alike may be put beside a score on the original.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.lookalike.scenes import Scenes
from disent_datasets.request import DatasetInfo

SIZE = 64
"""Height and width of the images of the registered sets."""

_SAMPLE = 64
"""Images that a fingerprint looks at."""


@dataclass(frozen=True)
class LookAlike:
    """How the images of a look-alike are made from factors.

    Args:
        name: registered name of the data set.
        space: the factors of the original.
        channels: 3, or 1 for grey images.
        scenes: the scenes of factor combinations (n, k).
        example: a combination around which every factor shows.
        version: raised when the scenes or the ray caster change, so that the same factors give another image.
    """

    name: str
    space: FactorSpace
    channels: int
    scenes: Callable[[NDArray[np.int64]], Scenes]
    example: tuple[int, ...]
    version: int = 1

    def render(self, factors: ArrayLike, size: int = SIZE) -> NDArray[np.uint8]:
        """Render images, on all cores: a pure function of the factors.

        Args:
            factors: integers (n, k).
            size: height and width in pixels.

        Returns:
            uint8 (n, size, size, channels).

        Raises:
            ValueError: if a factor is out of range, or the size is not positive.
        """
        # Imported when first needed: numba costs more than the rest of this package.
        from disent_datasets.lookalike.raycaster import render_block

        if size < 1:
            raise ValueError(f"size: need at least 1 pixel, got {size}")
        chosen = self.space.check(factors)
        images = np.empty((len(chosen), size, size, 3), dtype=np.uint8)
        if len(chosen) == 0:
            return images[..., : self.channels]
        scenes = self.scenes(chosen)
        cores = min(len(os.sched_getaffinity(0)), len(chosen))
        ends = [len(chosen) * k // cores for k in range(cores + 1)]
        with ThreadPoolExecutor(cores) as pool:
            parts = [(images[a:b], *scenes.arrays(a, b)) for a, b in itertools.pairwise(ends)]
            list(pool.map(lambda part: render_block(*part), parts))
        return np.ascontiguousarray(images[..., : self.channels])

    def render_all(self, block: int = 512) -> Iterator[NDArray[np.uint8]]:
        """Render the set in index order, (at most ``block``, 64, 64, channels) at a time."""
        for start in range(0, self.space.size, block):
            yield self.render(self.space.factors(np.arange(start, min(start + block, self.space.size))))

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of name, version, factors and a sample of images spread over the whole set."""
        return self.fingerprint_of_size(SIZE)

    def fingerprint_of_size(self, size: int) -> str:
        """As `fingerprint`, of the images in another size."""
        indices = np.linspace(0, self.space.size - 1, _SAMPLE).astype(np.int64)
        images = self.render(self.space.factors(indices), size)
        head = f"{self.name} {self.version} {self.space.names} {self.space.sizes} {images.shape} {indices.tolist()}"
        return hashlib.sha256(head.encode() + images.tobytes()).hexdigest()


class RenderedImages:
    """The images of a look-alike as an array that is rendered where it is looked at, and never kept."""

    dtype = np.dtype(np.uint8)

    def __init__(self, look_alike: LookAlike, size: int = SIZE) -> None:
        self._look_alike = look_alike
        self.shape = (look_alike.space.size, size, size, look_alike.channels)
        self.nbytes = int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        """Number of images."""
        return self.shape[0]

    def __getitem__(self, key: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images (n, h, w, c)."""
        indices = np.arange(*key.indices(len(self))) if isinstance(key, slice) else key
        return self._look_alike.render(self._look_alike.space.factors(indices), self.shape[1])


class RenderedGrid(FactorGrid):
    """A look-alike of which each image is rendered when it is asked for: nothing is stored."""

    on_demand = True

    def __init__(self, look_alike: LookAlike, info: DatasetInfo, source: str, size: int = SIZE) -> None:
        # Not FactorGrid's own initialiser, which would turn the images into an array of numbers.
        self.stored = cast(NDArray[np.uint8], RenderedImages(look_alike, size))
        self.space = info.space
        self.name = info.name
        self.source = source
        self.scale = info.scale
        self._fingerprint = look_alike.fingerprint if size == SIZE else look_alike.fingerprint_of_size(size)
