"""How two sources of one data set differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from disent_datasets.grid import BLOCK, FactorGrid


@dataclass(frozen=True)
class Difference:
    """Where two grids differ.

    Args:
        images: how many images do.
        pixels: how many of their values do, in all.
        most: how many values differ in the worst image.
        examples: numbers of the first images that differ.
    """

    images: int
    pixels: int
    most: int
    examples: tuple[int, ...]

    def __str__(self) -> str:
        """One line for the user."""
        if not self.images:
            return "the two are equal, pixel for pixel"
        examples = ", ".join(map(str, self.examples))
        return (
            f"{self.pixels:,} pixels differ in {self.images:,} images (at most {self.most} in one); first: {examples}"
        )


def compare(a: FactorGrid, b: FactorGrid) -> Difference:
    """Count the pixels in which two grids of the same factors differ.

    Raises:
        ValueError: if their factors or image shapes differ.
    """
    if (a.space, a.shape) != (b.space, b.shape):
        raise ValueError(f"b: need the factors and image shape of {a!r}, got {b!r}")
    counts = [(x != y).sum(axis=(1, 2, 3)) for x, y in zip(a.blocks(BLOCK), b.blocks(BLOCK), strict=True)]
    differing = np.concatenate(counts)
    where = np.flatnonzero(differing)
    examples = tuple(int(index) for index in where[:5])
    return Difference(len(where), int(differing.sum()), int(differing.max(initial=0)), examples)
