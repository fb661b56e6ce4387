"""Images of a grid in another size."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disent_datasets.grid import BLOCK, FactorGrid

SMALLEST, LARGEST = 4, 1024
RULE = "bilinear with antialiasing 1"
"""Goes into the fingerprint; the number is raised when the same images come out differently."""


def resize(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize images, bilinearly, each pixel a weighted mean of all that it covers.

    Args:
        images: uint8 (n, h, w, c).
        size: height and width of what is returned.

    Returns:
        uint8 (n, size, size, c), rounded.
    """
    import torch  # imported where it is needed: it costs more than the rest of this package
    from torch.nn.functional import interpolate

    channels_first = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    resized = interpolate(channels_first, size=(size, size), mode="bilinear", antialias=True)
    return np.ascontiguousarray(resized.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())


class ResizedImages:
    """The images of a grid as an array, resized where it is looked at."""

    dtype = np.dtype(np.uint8)

    def __init__(self, base: FactorGrid, size: int) -> None:
        self._base, self._size = base, size
        self.shape = (len(base), size, size, base.shape[2])
        self.nbytes = math.prod(self.shape)

    def __len__(self) -> int:
        """Number of images."""
        return self.shape[0]

    def __getitem__(self, key: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images (n, h, w, c)."""
        return self.resized(self._base.stored[key])

    def resized(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """These images of the grid in the other size; binary ones become grey, 255 is white."""
        return resize(images if self._base.scale > 1 else 255 * images, self._size)


class ResizedGrid(FactorGrid):
    """A grid whose images are resized each time they are asked for.

    Args:
        base: the grid as it is.
        size: height and width of the images seen.

    Raises:
        ValueError: if the images of ``base`` are not square, or the size is out of range.
    """

    def __init__(self, base: FactorGrid, size: int) -> None:
        height, width, _ = base.shape
        if height != width:
            raise ValueError(
                f"image_size: images of {base.name} are {height}x{width}, not square; cut or pad them first"
            )
        # Not FactorGrid's own initialiser, which would turn the images into an array of numbers.
        self.base = base
        self.stored = self._resized = ResizedImages(base, check_size(size))  # type: ignore[assignment]
        self.space = base.space
        self.name = base.name
        self.source = base.source
        self.scale = 255 if base.scale == 1 else base.scale
        self.present = base.present
        self.nuisance = base.nuisance
        self.on_demand = base.on_demand

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the fingerprint of the grid as it is, the size and the rule."""
        text = f"{self.base.fingerprint} {self._resized.shape[1]} {RULE}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def available(self) -> int | NDArray[np.int64]:
        """As of the grid as it is."""
        return self.base.available

    def images(self, indices: ArrayLike, generator: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """Images (n, size, size, c) of the given numbers (n,); errors as of the grid as it is."""
        return self._resized.resized(self.base.images(indices, generator))

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[np.uint8]]:
        """All images in index order, ``size`` at a time."""
        for block in self.base.blocks(size):
            yield self._resized.resized(block)


def check_size(size: int) -> int:
    """Return ``size``.

    Raises:
        ValueError: if it is no height and width that images can have here.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not SMALLEST <= size <= LARGEST:
        raise ValueError(f"image_size is a whole number of pixels from {SMALLEST} to {LARGEST}, not {size!r}")
    return size


def with_size(grid: FactorGrid, size: int | None) -> FactorGrid:
    """Return the grid with images of height and width ``size``: itself if they have it, or none is asked for."""
    return grid if size is None or grid.shape[:2] == (size, size) else ResizedGrid(grid, size)
