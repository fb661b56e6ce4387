"""Worlds to score: a factor grid, an encoder over it, and the arguments that each kind of score needs."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

SIZES = (3, 4, 5)


def flat(factors):
    return np.ravel_multi_index(tuple(np.asarray(factors).T), SIZES)


def noise_table(columns, *, seed, sigma=1.0):
    """Noise per grid point, so that an encoder built on it is a function of the factors."""
    return sigma * np.random.default_rng(seed).normal(size=(int(np.prod(SIZES)), columns))


def spread(factors):
    """Factors scaled to [-1, 1]."""
    return np.asarray(factors) / (np.array(SIZES) - 1) * 2.0 - 1.0


def perfect(factors):
    """One code dimension per factor, with a little noise that keeps the values distinct."""
    return 8.0 * (spread(factors) + noise_table(3, seed=1, sigma=0.01)[flat(factors)])


def noise(factors):
    """Codes that know the grid point but no factor in particular."""
    return noise_table(3, seed=2)[flat(factors)]


def mixed(factors):
    """Four code dimensions, each depending on several factors."""
    weights = np.array([[1.0, 0.4, 0.1], [0.2, 1.0, 0.5], [0.6, -0.3, 1.0], [0.1, 0.2, 0.3]])
    return spread(factors) @ weights.T + noise_table(4, seed=3, sigma=0.1)[flat(factors)]


@dataclass(frozen=True)
class World:
    """An encoder ``represent(factors) -> codes`` over a factor grid, and samples of it."""

    represent: Callable
    sizes = SIZES

    def split(self, num_train=600, num_test=300):
        rng = np.random.default_rng(0)
        factors = rng.integers(SIZES, size=(num_train + num_test, len(SIZES)))
        codes = np.asarray(self.represent(factors))
        return codes[:num_train], factors[:num_train], codes[num_train:], factors[num_train:]

    def arguments(self, score):
        """Positional arguments of a registered score, with more samples than it needs."""
        if "represent" in score.inputs:
            return self.represent, SIZES
        split = self.split(max(600, score.min_samples * 8 // 5))
        return split[: len(score.inputs)]

    def then(self, change):
        """The same world with every code passed through ``change``."""
        return World(lambda factors: change(np.asarray(self.represent(factors))))


WORLDS = {encoder.__name__: World(encoder) for encoder in (perfect, noise, mixed)}


@pytest.fixture(scope="session")
def worlds():
    """The three worlds by name."""
    return SimpleNamespace(**WORLDS)


@pytest.fixture(params=list(WORLDS))
def world(request):
    """Each of the three worlds in turn."""
    return WORLDS[request.param]


@pytest.fixture(scope="session")
def by_key():
    """Numbers of a metric by key, whether it computes a scalar or a dictionary."""

    def numbers(metric, computed):
        given = computed if isinstance(computed, dict) else dict(zip(metric.bounds, [computed], strict=True))
        return {key: value.item() for key, value in given.items()}

    return numbers
