"""Samplers other than the uniform one: shuffled epochs, pairs, correlated factors, held-out combinations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.sampling.correlation import correlated
from disent_datasets.sampling.stream import FIRST, SECOND, Moment, Sampler, StepIndices, among, uniform

EPOCH = 3
"""Stream of random numbers that shuffles epochs: epoch ``e`` of batch ``s`` has the stream's step ``2 e + s``."""


class ShuffledEpochs(Sampler):
    """Every image once in each epoch, in a new random order; a batch may end one epoch and begin the next.

    A second batch goes through epochs of its own.
    """

    def __init__(self, space: FactorSpace) -> None:
        self.size = space.size
        self._orders: dict[tuple[int, int], NDArray[np.int64]] = {}

    def step(self, moment: Moment, second: bool) -> StepIndices:
        """Image numbers of one step."""
        return StepIndices(self._draw(moment, FIRST), self._draw(moment, SECOND) if second else None)

    def _draw(self, moment: Moment, batch: int) -> NDArray[np.int64]:
        position = moment.step * moment.batch_size
        end = position + moment.batch_size
        pieces = []
        while position < end:
            epoch, start = divmod(position, self.size)
            pieces.append(self._order(moment.seed, 2 * epoch + batch)[start : start + end - position])
            position += len(pieces[-1])
        return np.concatenate(pieces)

    def _order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """A permutation of all images, remembered until its stream comes to another epoch."""
        if (seed, epoch) not in self._orders:
            self._orders = {key: order for key, order in self._orders.items() if key[1] % 2 != epoch % 2}
            self._orders[seed, epoch] = Moment(seed, epoch, 0).generator(EPOCH).permutation(self.size)
        return self._orders[seed, epoch]


class Pairs(Sampler):
    """Pairs of images that differ in few factors: weak supervision as in [arXiv:2002.02886].

    The first image is uniform; then ``changed`` distinct factors of it, chosen at random, are drawn again, each
    uniformly, so that one may keep its value (as in disentanglement_lib).

    Args:
        space: the factors.
        changed: how many factors are drawn again; if None, one of them or, with probability 1/2, a number drawn
            uniformly from ``1 .. number of factors - 1``, for each pair.

    Raises:
        ValueError: if ``changed`` is not from 1 to the number of factors, or there is one factor only and it is None.
    """

    def __init__(self, space: FactorSpace, changed: int | None = None) -> None:
        if changed is None and len(space) < 2:
            raise ValueError(f"changed: with one factor ({space.names[0]}) only changed=1 is possible")
        if changed is not None and not 1 <= changed <= len(space):
            raise ValueError(f"changed: need 1 to {len(space)} of the factors {', '.join(space.names)}, got {changed}")
        self.space = space
        self.changed = changed

    def step(self, moment: Moment, second: bool) -> StepIndices:
        """Image numbers of the first and the second images of one step's pairs."""
        first = moment.generator(FIRST).integers(self.space.size, size=moment.batch_size, dtype=np.int64)
        generator = moment.generator(SECOND)
        again = self.space.sample(moment.batch_size, generator)
        rank = generator.random((moment.batch_size, len(self.space))).argsort(axis=1)
        chosen = rank < self._counts(generator, moment.batch_size)[:, None]
        return StepIndices(first, self.space.index(np.where(chosen, again, self.space.factors(first))))

    def _counts(self, generator: np.random.Generator, batch_size: int) -> NDArray[np.int64]:
        if self.changed is not None:
            return np.full(batch_size, self.changed)
        several = generator.integers(1, len(self.space), size=batch_size)
        return np.where(generator.random(batch_size) < 0.5, 1, several)


Combination = Mapping[str, Sequence[int]]
"""Values of some factors; a combination of all factors belongs to it if each named factor has one of the values."""


def held_out(space: FactorSpace, combinations: Combination | Sequence[Combination], *, part: str = "train") -> Sampler:
    """Uniform over the images without some factor combinations, or over those alone, to test generalisation.

    ``{"shape": [2], "posX": range(16, 32)}`` holds out the hearts in the right half.

    Args:
        space: the factors.
        combinations: what is held out; of several, their union.
        part: ``"train"`` for everything else, ``"test"`` for what is held out.

    Raises:
        ValueError: if a factor or value does not exist, or nothing or everything is held out.
    """
    if part not in ("train", "test"):
        raise ValueError(f"part: must be train or test, got {part!r}")
    out = np.zeros(space.sizes, dtype=bool)
    for combination in [combinations] if isinstance(combinations, Mapping) else combinations:
        out[np.ix_(*_values(space, combination))] = True
    if out.all() or not out.any():
        raise ValueError(f"combinations: {'everything' if out.any() else 'nothing'} is held out, got {combinations}")
    return among(np.flatnonzero(out == (part == "test")))


def _values(space: FactorSpace, combination: Combination) -> list[NDArray[np.int64]]:
    """Values of every factor; all of those that are not named."""
    values = {name: np.arange(size) for name, size in zip(space.names, space.sizes, strict=True)}
    for name, chosen in combination.items():
        if name not in values:
            raise ValueError(f"combinations: unknown factor {name!r}; known: {', '.join(space.names)}")
        if wrong := sorted(set(chosen) - set(values[name].tolist())):
            raise ValueError(f"combinations: {name} must be in 0..{len(values[name]) - 1}, got {wrong[0]}")
        values[name] = np.array(sorted(set(chosen)), dtype=np.int64)
    return list(values.values())


SAMPLERS: Mapping[str, Callable[..., Sampler]] = {
    "uniform": uniform,
    "epochs": ShuffledEpochs,
    "pairs": Pairs,
    "correlated": correlated,
    "held_out": held_out,
}


def make_sampler(
    name: str, grid_or_space: FactorGrid | FactorSpace, options: Mapping[str, Any] | None = None
) -> Sampler:
    """Make a sampler by name, for instance ``"correlated"`` with ``{"setting": "2_pairs_v1", "sigma": 0.4}``.

    Raises:
        ValueError: if the name, an option or its value is not possible, or images are missing that would be drawn.
    """
    if name not in SAMPLERS:
        raise ValueError(f"sampler: must be one of {', '.join(SAMPLERS)}, got {name!r}")
    parameters = list(inspect.signature(SAMPLERS[name]).parameters.values())[1:]
    if unknown := sorted(set(options or {}) - {parameter.name for parameter in parameters}):
        known = ", ".join(parameter.name for parameter in parameters) or "none"
        raise ValueError(f"sampler_options: {name} has no option {unknown[0]!r}; known: {known}")
    needed = {parameter.name for parameter in parameters if parameter.default is parameter.empty}
    if missing := sorted(needed - set(options or {})):
        raise ValueError(f"sampler_options: {name} needs {', '.join(missing)}")
    if name == "uniform":
        return uniform(grid_or_space)
    if isinstance(grid_or_space, FactorSpace):
        return SAMPLERS[name](grid_or_space, **(options or {}))
    if grid_or_space.present is not None:
        raise ValueError(f"sampler: only uniform works on a grid in which images are missing, got {name!r}")
    return SAMPLERS[name](grid_or_space.space, **(options or {}))
