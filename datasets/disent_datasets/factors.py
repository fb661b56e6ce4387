"""Ground-truth factors of variation and their numbering."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class FactorSpace:
    """Cartesian product of discrete ground-truth factors, numbered row-major (last factor fastest).

    With ``base_k`` the product of the sizes after factor ``k``: ``index = sum_k factor_k * base_k`` and
    ``factor_k = (index // base_k) mod size_k``.

    Args:
        names: one name for each factor, in storage order.
        sizes: number of values of each factor; values are ``0 .. size - 1``.

    Raises:
        ValueError: if names and sizes differ in number, a name repeats or a size is not positive.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def __init__(self, names: Sequence[str], sizes: Sequence[int]) -> None:
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "sizes", tuple(int(size) for size in sizes))
        if len(self.names) != len(self.sizes) or not self.names:
            raise ValueError(f"names and sizes: need one size for each name, got {self.names} and {self.sizes}")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"names: each factor needs its own name, got {self.names}")
        if min(self.sizes) < 1:
            raise ValueError(f"sizes: every factor needs at least one value, got {self.sizes}")

    def __len__(self) -> int:
        """Number of factors."""
        return len(self.names)

    @property
    def size(self) -> int:
        """Number of factor combinations, one image each."""
        return math.prod(self.sizes)

    def index(self, factors: ArrayLike) -> NDArray[np.int64]:
        """Image numbers (n,) of factor combinations (n, k).

        Raises:
            ValueError: if the shape is not (n, k) or a value lies outside its factor's range.
        """
        values = self.check(factors)
        indices = values[:, 0].copy()
        for column, size in enumerate(self.sizes[1:], start=1):
            indices *= size
            indices += values[:, column]
        return indices

    def factors(self, indices: ArrayLike) -> NDArray[np.int64]:
        """Factor combinations (n, k) of image numbers (n,).

        Raises:
            ValueError: if an index lies outside ``0 .. size - 1``.
        """
        return np.stack(np.unravel_index(check_indices(indices, self.size), self.sizes), axis=1).astype(np.int64)

    def describe(self, index: int) -> str:
        """One factor combination in words: ``shape=2, scale=0``."""
        values = self.factors([index])[0]
        return ", ".join(f"{name}={value}" for name, value in zip(self.names, values, strict=True))

    def sample(self, n: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Draw ``n`` factor combinations (n, k), uniform, independent, with replacement."""
        return generator.integers(0, self.sizes, size=(n, len(self)), dtype=np.int64)

    def check(self, factors: ArrayLike) -> NDArray[np.int64]:
        """Return factor combinations as an int64 array (n, k); ValueError if one is not in this space."""
        values = _integers(factors, "factors", width=len(self))
        if values.ndim != 2 or values.shape[1] != len(self):
            raise ValueError(f"factors: need shape (n, {len(self)}) for {self.names}, got {values.shape}")
        if values.size:
            low, high = values.min(axis=0), values.max(axis=0)
            for name, size, least, most in zip(self.names, self.sizes, low, high, strict=True):
                if least < 0 or most >= size:
                    raise ValueError(f"factors: {name} must be in 0..{size - 1}, got {least if least < 0 else most}")
        return values


def check_indices(indices: ArrayLike, size: int) -> NDArray[np.int64]:
    """Return image numbers as an int64 array (n,); ValueError if one is not in ``0 .. size - 1``."""
    numbers = _integers(indices, "indices")
    if numbers.ndim != 1:
        raise ValueError(f"indices: need shape (n,), got {numbers.shape}")
    if numbers.size:
        low, high = numbers.min(), numbers.max()
        if low < 0 or high >= size:
            raise ValueError(f"indices: must be in 0..{size - 1}, got {low if low < 0 else high}")
    return numbers


def _integers(values: ArrayLike, name: str, width: int | None = None) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.size == 0 and array.ndim == 1:
        return np.empty((0,) if width is None else (0, width), dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name}: need integers, got {array.dtype}")
    return array.astype(np.int64, copy=False)
