"""Images of every combination of ground-truth factors, gathered by index."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace, check_indices

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 8192
"""Images handled at once when a whole set is walked through."""


class PackedImages:
    """Binary images, eight pixels to a byte (pixel ``8 b + i`` of an image is bit ``i`` of its byte ``b``).

    Args:
        bits: uint8 (N, h * w * c / 8), an array or a memory map.
        shape: (h, w, c) of one image.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, bits: NDArray[np.uint8], shape: tuple[int, int, int]) -> None:
        self.bits = bits
        self.shape = (bits.shape[0], *shape)
        if bits.dtype != np.uint8 or bits.ndim != 2 or bits.shape[1] * 8 != math.prod(shape):
            raise ValueError(f"bits: need uint8 (n, {math.prod(shape)} / 8), got {bits.dtype} {bits.shape}")

    def __getitem__(self, key: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images (n, h, w, c) with values 0 and 1."""
        pixels = np.unpackbits(self.bits[key], axis=None, bitorder="little")
        return pixels.reshape(-1, *self.shape[1:])


def pack(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bits (n, h * w * c / 8) of binary images (n, h, w, c), as `PackedImages` reads them."""
    return np.packbits(images.reshape(len(images), -1), axis=1, bitorder="little")


class SparseImages:
    """The images that there are of a factor space of which most combinations have none; of those there are zeros.

    Args:
        images: uint8 (n, h, w, c), or `PackedImages`.
        numbers: the number of each, ascending.
        size: combinations of the factors.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, images: NDArray[np.uint8] | PackedImages, numbers: NDArray[np.int64], size: int) -> None:
        self.images = images
        self.numbers = numbers
        self.shape = (size, *images.shape[1:])

    def __getitem__(self, key: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images (n, h, w, c) of the given numbers."""
        wanted = np.arange(*key.indices(self.shape[0])) if isinstance(key, slice) else np.asarray(key)
        rows = np.searchsorted(self.numbers, wanted).clip(max=len(self.numbers) - 1)
        there = self.numbers[rows] == wanted
        found = np.zeros((len(wanted), *self.shape[1:]), np.uint8)
        found[there] = self.images[rows[there]]
        return found


class FactorGrid:
    """A data set with one uint8 image for every combination of its ground-truth factors.

    Data of a user's own may lack some; then ``present`` says which there are, and the others cannot be asked for.

    Args:
        images: uint8 (N, h, w, c), an array, a memory map, `PackedImages` or `SparseImages`, in index order.
        space: the factors; ``space.size`` must be N.
        name: registered name of the data set.
        source: where the images come from, for instance ``"drawn"`` or ``"official"``.
        scale: the stored value that means 1.0: 1 for binary images, 255 for photographs. A network sees
            ``images / scale``.
        fingerprint: SHA-256 (hex) of the uint8 images in index order; computed when first asked for if None.
        present: bool (N,), which images there are; all if None.

    Raises:
        ValueError: if the images are not uint8 (N, h, w, c) with N the size of the factor space.
    """

    present: NDArray[np.bool_] | None = None
    """Which images there are, bool (N,); None if all are."""

    nuisance = False
    """Whether an image has a nuisance that is sampled anew at each access (`disent_datasets.nuisance`)."""

    on_demand = False
    """Whether an image is made each time it is asked for, always the same, and costs far more than a stored one."""

    def __init__(
        self,
        images: NDArray[np.uint8] | PackedImages | SparseImages,
        space: FactorSpace,
        *,
        name: str,
        source: str,
        scale: int = 255,
        fingerprint: str | None = None,
        present: NDArray[np.bool_] | None = None,
    ) -> None:
        if images.dtype != np.uint8 or len(images.shape) != 4:
            raise ValueError(f"images: need uint8 (n, h, w, c), got {images.dtype} {images.shape}")
        if images.shape[0] != space.size:
            sizes = dict(zip(space.names, space.sizes, strict=True))
            raise ValueError(f"images: the factors {sizes} need {space.size} images, got {images.shape[0]}")
        # A plain view: indexing np.memmap itself costs several microseconds more.
        self.stored = images if isinstance(images, PackedImages | SparseImages) else np.asarray(images)
        self.space = space
        self.name = name
        self.source = source
        self.scale = scale
        self.present = present
        self._fingerprint = fingerprint

    def __len__(self) -> int:
        """Number of images."""
        return self.space.size

    def __repr__(self) -> str:
        return f"FactorGrid({self.name!r}, source={self.source!r}, {len(self)} images {self.shape})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(h, w, c) of one image."""
        height, width, channels = self.stored.shape[1:]
        return height, width, channels

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the uint8 images in index order, however they are stored."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            whole = self.stored
            for block in (whole.images, whole.numbers) if isinstance(whole, SparseImages) else self.blocks():
                digest.update(np.ascontiguousarray(block).data)
            if self.present is not None:
                digest.update(np.packbits(self.present).data)
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    @property
    def available(self) -> int | NDArray[np.int64]:
        """What `numpy.random.Generator.choice` draws image numbers from: how many there are, or which if some lack."""
        if isinstance(self.stored, SparseImages):
            return self.stored.numbers
        return len(self) if self.present is None else np.flatnonzero(self.present)

    def images(self, indices: ArrayLike, generator: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """Images (n, h, w, c) of the given numbers (n,), a copy, gathered in one call.

        Args:
            indices: image numbers (n,).
            generator: draws the nuisance of grids that have one.

        Raises:
            ValueError: if an index lies outside ``0 .. len - 1``, or there is no image of it.
        """
        numbers = check_indices(indices, len(self))
        if self.present is not None and not self.present[numbers].all():
            absent = int(numbers[~self.present[numbers]][0])
            raise DataError(f"{self.name} has no image of {self.space.describe(absent)}; its grid is incomplete")
        return self.stored[numbers]

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """An image, float32 (c, h, w) in [0, 1], and its factors, int64 (k,): what a torch data set's item is.

        Raises:
            IndexError: if there is no such image.
        """
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Several items, gathered in one call, which `torch.utils.data.DataLoader` asks for.

        Raises:
            IndexError: if there is no image of one of the numbers.
        """
        import torch  # imported where it is needed: it costs more than the rest of this module

        try:
            images = torch.from_numpy(self.images(np.asarray(numbers, dtype=np.int64))).permute(0, 3, 1, 2)
        except ValueError as error:
            raise IndexError(str(error)) from None
        return list(zip(images.float() / self.scale, torch.from_numpy(self.factors(numbers)), strict=True))

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[np.uint8]]:
        """All images in index order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self.stored[start : start + size]

    def factors(self, indices: ArrayLike) -> NDArray[np.int64]:
        """Factor combinations (n, k) of image numbers (n,)."""
        return self.space.factors(indices)

    def index(self, factors: ArrayLike) -> NDArray[np.int64]:
        """Image numbers (n,) of factor combinations (n, k)."""
        return self.space.index(factors)
