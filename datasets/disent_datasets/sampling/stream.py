"""Seeded streams of batches: what is in batch ``t`` depends on the seed and ``t`` alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid

FIRST, SECOND, NUISANCE = 0, 1, 2
"""Streams of random numbers of one step."""


class StepIndices(NamedTuple):
    """Image numbers of one training step; ``second`` is a second batch, or None."""

    first: NDArray[np.int64]
    second: NDArray[np.int64] | None


class Moment(NamedTuple):
    """All that a batch may depend on."""

    seed: int
    step: int
    batch_size: int

    def generator(self, stream: int) -> np.random.Generator:
        """A counter-based generator of its own for each seed, step and stream."""
        # The generator itself counts in the lowest word.
        counter = np.array([0, 0, stream, self.step], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=self.seed, counter=counter))


class Sampler(ABC):
    """Chooses the images of a training step."""

    @abstractmethod
    def step(self, moment: Moment, second: bool) -> StepIndices:
        """Image numbers of one step; a second batch if ``second``, or if the sampler is about pairs."""


class Independent(Sampler):
    """Every image is drawn by itself, from one distribution; a second batch is independent of the first.

    Args:
        draw: image numbers (batch_size,) from a generator and the batch size.
    """

    def __init__(self, draw: Callable[[np.random.Generator, int], NDArray[np.int64]]) -> None:
        self.draw = draw

    def step(self, moment: Moment, second: bool) -> StepIndices:
        """Image numbers of one step."""
        first = self.draw(moment.generator(FIRST), moment.batch_size)
        return StepIndices(first, self.draw(moment.generator(SECOND), moment.batch_size) if second else None)


def among(allowed: NDArray[np.int64]) -> Independent:
    """Uniform over some images, with replacement."""
    return Independent(lambda generator, batch_size: allowed[generator.integers(len(allowed), size=batch_size)])


def uniform(grid_or_space: FactorGrid | FactorSpace) -> Independent:
    """Independent, uniformly distributed factor combinations, with replacement (the standard protocol).

    On an incomplete grid, uniform over the images that there are.
    """
    if isinstance(grid_or_space, FactorSpace):
        size = grid_or_space.size
    elif grid_or_space.present is None:
        size = len(grid_or_space)
    else:
        return among(np.flatnonzero(grid_or_space.present))
    return Independent(lambda generator, batch_size: generator.integers(size, size=batch_size, dtype=np.int64))


class BatchStream:
    """An endless stream of batches of image numbers, with random access.

    Each step has its own counter-based generator (Philox, key = seed, counter = step), so a resumed stream
    continues bit for bit, and two methods with one seed see the same batches. The second batch has a generator
    of its own: asking for it does not change the first.

    Args:
        grid_or_space: the grid, or its factor space.
        batch_size: images in a batch.
        seed: non-negative integer.
        start: step that iteration starts with.
        second: also draw a second batch for every step, independent of the first with most samplers.
        sampler: chooses the images of a batch; uniform if None, over the images that there are.

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
        self.batch_size = batch_size
        self.seed = seed
        self.start = start
        self.second = second
        self.sampler = sampler or uniform(grid_or_space)

    def step(self, t: int) -> StepIndices:
        """Image numbers of step ``t``."""
        return self.sampler.step(Moment(self.seed, t, self.batch_size), self.second)

    def __iter__(self) -> Iterator[StepIndices]:
        """Steps ``start``, ``start + 1``, ..."""
        t = self.start
        while True:
            yield self.step(t)
            t += 1

    def nuisance(self, t: int) -> np.random.Generator:
        """Generator of what else the images of step ``t`` show; it has no influence on which images they are."""
        return Moment(self.seed, t, self.batch_size).generator(NUISANCE)
