"""Correlated factors in training, with the named settings of [arXiv:2210.07347]; evaluation stays uncorrelated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from disent_datasets.factors import FactorSpace
from disent_datasets.sampling.stream import Independent

Pair = tuple[str, str]


@dataclass(frozen=True)
class Setting:
    """Pairs of correlated factors, and how wide the correlation is by default."""

    pairs: tuple[Pair, ...]
    sigma: float = 0.1


def _pairs(text: str) -> tuple[Pair, ...]:
    """Read ``"size-floor + shape-wall"``."""
    found = [tuple(pair.strip().split("-")) for pair in text.split("+")]
    return tuple((first, second) for first, second in found)


def _confounder(factor: str, others: Sequence[str]) -> Setting:
    return Setting(tuple((factor, other) for other in others if other != factor), sigma=0.2)


def _family(names: Mapping[str, str], pairs: Mapping[str, str], confounders: Sequence[str]) -> dict[str, Setting]:
    """Settings of one data set; ``names`` turns the authors' names of factors into ours."""
    read = {key: Setting(tuple((names[a], names[b]) for a, b in _pairs(text))) for key, text in pairs.items()}
    factors = list(names.values())
    wide = {f"confounder_{k}": _confounder(names[name], factors) for k, name in enumerate(confounders, start=1)}
    return read | wide


_SHAPES3D = {
    "floor": "floor hue",
    "wall": "wall hue",
    "color": "object hue",
    "size": "scale",
    "type": "shape",
    "azimuth": "orientation",
}
_MPI3D = {
    "color": "object color",
    "shape": "object shape",
    "size": "object size",
    "camera": "camera height",
    "background": "background color",
    "axis1": "horizontal axis",
    "axis2": "vertical axis",
}
_DSPRITES = {name: name for name in ("shape", "scale", "orientation", "posX", "posY")}
_CARS3D = {"elevation": "elevation", "azimuth": "azimuth", "type": "object type"}

SETTINGS: Mapping[tuple[str, ...], Mapping[str, Setting]] = {
    tuple(_SHAPES3D.values()): _family(
        _SHAPES3D,
        {
            "1_pair_1": "floor-wall",
            "1_pair_2": "type-size",
            "1_pair_3": "type-wall",
            "1_pair_4": "type-color",
            "2_pairs_v1": "size-floor + type-wall",
            "2_pairs_v2": "size-type + floor-wall",
            "2_pairs_v3": "type-color + type-size",
            "3_pairs_v1": "size-azimuth + type-wall + color-floor",
            "3_pairs_v2": "color-azimuth + type-size + floor-wall",
        },
        ("type", "wall"),
    ),
    tuple(_MPI3D.values()): _family(
        _MPI3D,
        {
            "1_pair_1": "camera-background",
            "1_pair_2": "color-size",
            "1_pair_3": "axis1-axis2",
            "2_pairs_v1": "color-shape + axis1-axis2",
            "2_pairs_v2": "color-axis1 + shape-axis2",
            "3_pairs_v1": "color-background + camera-axis1 + shape-axis2",
            "3_pairs_v2": "color-shape + axis1-axis2 + background-camera",
        },
        ("shape", "axis1"),
    ),
    tuple(_DSPRITES.values()): _family(
        _DSPRITES,
        {
            "1_pair_1": "shape-scale",
            "1_pair_2": "posX-posY",
            "1_pair_3": "shape-posY",
            "2_pairs_v1": "shape-posX + scale-posY",
            "2_pairs_v2": "shape-scale + posX-posY",
        },
        ("shape", "posX"),
    ),
    tuple(_CARS3D.values()): _family(
        _CARS3D,
        {"1_pair_1": "elevation-azimuth", "1_pair_2": "elevation-type", "1_pair_3": "azimuth-type"},
        ("elevation", "azimuth", "type"),
    ),
}
"""By factor names and setting. The authors also use sigma 0.4 and 0.04 for two pairs, and 0.2 for pairs of Cars3D.

Theirs, with sigma inferred: ``1_pair_4`` and ``2_pairs_v3`` of Shapes3D. Which factors of Cars3D confound is inferred.
"""


def correlated(
    space: FactorSpace,
    *,
    setting: str | None = None,
    pairs: Sequence[Pair] | None = None,
    sigma: float | None = None,
    inverse: bool = False,
) -> Independent:
    """Draw factor combinations with correlated pairs of factors, with replacement [arXiv:2210.07347].

    The weight of a combination is the product over pairs of ``exp(-(a - b)^2 / (2 sigma^2))``, where ``a`` and ``b``
    are the pair's factor values scaled to [0, 1].

    Args:
        space: the factors.
        setting: a named setting of the data set, see `SETTINGS`.
        pairs: else pairs of factor names.
        sigma: width of the correlation, smaller is stronger; else the setting's, 0.1 for pairs of your own.
        inverse: correlate ``a`` with ``1 - b``.

    Raises:
        ValueError: if setting and pairs are both given or both missing, or a name or sigma is not possible.
    """
    if (setting is None) == (pairs is None):
        raise ValueError("setting: give the name of a setting or pairs of factors, not both")
    chosen = Setting(tuple(pairs)) if pairs is not None else _named(space, str(setting))
    cumulative = np.cumsum(_weights(space, chosen.pairs, chosen.sigma if sigma is None else sigma, inverse))

    def draw(generator: np.random.Generator, batch_size: int) -> NDArray[np.int64]:
        found = np.searchsorted(cumulative, generator.random(batch_size) * cumulative[-1], side="right")
        return np.minimum(found, space.size - 1)  # a product may be rounded up to the last value

    return Independent(draw)


def _named(space: FactorSpace, setting: str) -> Setting:
    known = SETTINGS.get(space.names, {})
    if setting not in known:
        what = f"must be one of {', '.join(known)}" if known else "the data set has none, name pairs of factors instead"
        raise ValueError(f"setting: {what}, got {setting!r}")
    return known[setting]


def _weights(space: FactorSpace, pairs: Sequence[Pair], sigma: float, inverse: bool) -> NDArray[np.float64]:
    """Weights (N,) of all combinations, not normalised."""
    if not sigma > 0:
        raise ValueError(f"sigma: need a positive number, got {sigma}")
    weights = np.ones(space.sizes)
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1] or set(pair) - set(space.names):
            raise ValueError(f"pairs: need two different factors of {', '.join(space.names)}, got {pair}")
        a, b = (_scaled(space, name) for name in pair)
        weights *= np.exp(-((a - (1 - b if inverse else b)) ** 2) / (2 * sigma**2))
    return weights.ravel()


def _scaled(space: FactorSpace, name: str) -> NDArray[np.float64]:
    """Values of one factor in [0, 1], shaped to broadcast over the grid."""
    axis = space.names.index(name)
    shape = [1] * len(space)
    shape[axis] = space.sizes[axis]
    return np.linspace(0, 1, space.sizes[axis]).reshape(shape)
