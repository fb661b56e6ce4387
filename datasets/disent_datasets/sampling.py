"""Seeded streams of batches: what is in batch ``t`` depends on the seed and ``t`` alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid

_FIRST, _SECOND = 0, 1


class Sampler(Protocol):
    """Chooses the images of one batch."""

    def __call__(self, generator: np.random.Generator, batch_size: int) -> NDArray[np.int64]:
        """Image numbers (batch_size,), drawn with the given generator alone."""
        ...


class UniformSampler:
    """Independent, uniformly distributed factor combinations, with replacement (the standard protocol)."""

    def __init__(self, space: FactorSpace) -> None:
        self.size = space.size

    def __call__(self, generator: np.random.Generator, batch_size: int) -> NDArray[np.int64]:
        """Image numbers (batch_size,)."""
        return generator.integers(self.size, size=batch_size, dtype=np.int64)


class StepIndices(NamedTuple):
    """Image numbers of one training step; ``second`` is an independent batch, or None."""

    first: NDArray[np.int64]
    second: NDArray[np.int64] | None


class BatchStream:
    """An endless stream of batches of image numbers, with random access.

    Each step has its own counter-based generator (Philox, key = seed, counter = step), so a resumed stream
    goes on bit for bit, and two methods with one seed see the same batches. The second batch has a generator
    of its own: asking for it does not change the first.

    Args:
        grid_or_space: the grid, or its factor space.
        batch_size: images in a batch.
        seed: non-negative integer.
        start: step that iteration starts with.
        second: also draw a second, independent batch for every step.
        sampler: chooses the images of a batch; uniform if None.

    Raises:
        ValueError: if batch_size is not positive, or seed or start is negative.
    """

    def __init__(
        self,
        grid_or_space: FactorGrid | FactorSpace,
        batch_size: int,
        seed: int,
        start: int = 0,
        *,
        second: bool = False,
        sampler: Sampler | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size: need at least 1, got {batch_size}")
        for name, value in (("seed", seed), ("start", start)):
            if not 0 <= value < 2**64:
                raise ValueError(f"{name}: need an integer in 0..2^64 - 1, got {value}")
        space = grid_or_space.space if isinstance(grid_or_space, FactorGrid) else grid_or_space
        self.batch_size = batch_size
        self.seed = seed
        self.start = start
        self.second = second
        self.sampler = sampler or UniformSampler(space)

    def step(self, t: int) -> StepIndices:
        """Image numbers of step ``t``."""
        return StepIndices(self._draw(t, _FIRST), self._draw(t, _SECOND) if self.second else None)

    def __iter__(self) -> Iterator[StepIndices]:
        """Steps ``start``, ``start + 1``, ..."""
        t = self.start
        while True:
            yield self.step(t)
            t += 1

    def _draw(self, t: int, substream: int) -> NDArray[np.int64]:
        # The generator itself counts in the lowest word.
        bits = np.random.Philox(key=self.seed, counter=np.array([0, 0, substream, t], dtype=np.uint64))
        return self.sampler(np.random.Generator(bits), self.batch_size)
