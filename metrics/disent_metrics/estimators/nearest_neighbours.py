"""Nearest-neighbour estimate of mutual information between one continuous column and classes, in nats."""

import numpy as np
from numpy.typing import NDArray

NOISE = 1e-10  # relative size of the noise that separates equal values


def _radius(ordered: NDArray[np.float64], neighbours: int) -> NDArray[np.float64]:
    """Distance of every value of a sorted column to its ``neighbours``-th nearest other value."""
    size = len(ordered)
    padded = np.concatenate([np.full(neighbours, -np.inf), ordered, np.full(neighbours, np.inf)])
    radius = np.full(size, np.inf)
    for below in range(neighbours + 1):
        start = padded[neighbours - below : neighbours - below + size]
        stop = padded[2 * neighbours - below : 2 * neighbours - below + size]
        radius = np.minimum(radius, np.maximum(ordered - start, stop - ordered))
    return radius


def _count_within(values: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many values, itself included, lie within each value's radius; borders are decided on differences."""
    ordered = np.sort(values)
    last = len(ordered) - 1
    low = np.searchsorted(ordered, values - radius, side="left")
    low += values - ordered[np.minimum(low, last)] > radius
    low -= (low > 0) & (values - ordered[np.maximum(low - 1, 0)] <= radius)
    high = np.searchsorted(ordered, values + radius, side="right") - 1
    high -= ordered[np.maximum(high, 0)] - values > radius
    high += (high < last) & (ordered[np.minimum(high + 1, last)] - values <= radius)
    return high - low + 1


def neighbour_information(
    column: NDArray[np.floating], labels: NDArray[np.int64], *, neighbours: int = 10, seed: int = 0
) -> float:
    r"""Mutual information of a continuous column and a class by nearest neighbours (Ross 2014), in nats.

    .. math:: \psi(n) + \langle\psi(k)\rangle - \langle\psi(n_y)\rangle - \langle\psi(m)\rangle

    where m counts the values (itself included) closer than the k-th neighbour of the same class. Values of classes
    with one member are left out; relative noise of 1e-10 separates equal values; negative estimates become 0.
    Source: PLOS ONE 9(2), e87357. Same estimate as scikit-learn's ``mutual_info_classif`` on a standardised column.
    """
    from scipy.special import digamma

    values = column.astype(np.float64)
    deviation = values.std()
    if deviation == 0:
        return 0.0
    values = (values - values.mean()) / deviation
    values = values + NOISE * max(1.0, np.abs(values).mean()) * np.random.default_rng(seed).normal(size=len(values))
    classes, encoded, counts = np.unique(labels, return_inverse=True, return_counts=True)
    radius = np.empty(len(values))
    for k in range(len(classes)):
        members = np.flatnonzero(encoded == k)
        if counts[k] > 1:
            members = members[np.argsort(values[members])]
            radius[members] = np.nextafter(_radius(values[members], min(neighbours, counts[k] - 1)), 0)
    kept = counts[encoded] > 1
    used = counts[encoded][kept]
    within = _count_within(values[kept], radius[kept])
    information = (
        digamma(kept.sum())
        + digamma(np.minimum(neighbours, used - 1)).mean()
        - digamma(used).mean()
        - digamma(within).mean()
    )
    return float(max(0.0, information))
