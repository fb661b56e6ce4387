"""Disentanglement, completeness and informativeness (DCI) from boosted trees."""

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.boosting import Boosted, boost
from disent_metrics.inputs import Split, check_groups, check_split
from disent_metrics.registry import Key, register_score, unknown

Backend = Literal["exact", "sklearn"]
MIN_SAMPLES = 100
OFFSET = 1e-11  # added to importances before the entropy, as in the reference


def _sklearn_boost(split: Split, factor: int, seed: int) -> Boosted:
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(random_state=seed).fit(split.codes, split.factors[:, factor])
    return Boosted(model.feature_importances_, model.predict(split.codes), model.predict(split.test_codes))


def fit_factors(split: Split, backend: Backend, seed: int) -> list[Boosted]:
    """One boosted classifier per factor on all code dimensions.

    Raises:
        ValueError: Unknown backend.
    """
    if backend not in ("exact", "sklearn"):
        raise ValueError(unknown("backend", str(backend), ("exact", "sklearn")))
    if backend == "sklearn":
        return [_sklearn_boost(split, j, seed) for j in range(split.factors.shape[1])]
    return [boost(split.codes, column, split.test_codes, seed=(seed, j)) for j, column in enumerate(split.factors.T)]


def _concentration(importance: NDArray[np.float64]) -> NDArray[np.float64]:
    """One minus the entropy of every row as a distribution, base: its length; a single column gives 1."""
    width = importance.shape[1]
    if width == 1:
        return np.ones(len(importance))
    share = importance + OFFSET
    share = share / share.sum(axis=1, keepdims=True)
    return 1.0 + (share * np.log(share)).sum(axis=1) / np.log(width)


def _weighted(concentration: NDArray[np.float64], importance: NDArray[np.float64]) -> float:
    """Mean of the rows' concentrations weighted by their share of all importance."""
    weight = importance.sum(axis=1)
    weight = weight if weight.sum() > 0 else np.ones_like(weight)
    return float((concentration * weight).sum() / weight.sum())


def disentanglement(importance: NDArray[np.float64]) -> float:
    """Disentanglement of an importance matrix ``(d, k)``: does a code dimension serve one factor?"""
    return _weighted(_concentration(importance), importance)


def completeness(importance: NDArray[np.float64]) -> float:
    """Completeness of an importance matrix ``(d, k)``: is a factor served by one code dimension?"""
    return _weighted(_concentration(importance.T), importance.T)


def _stack(fits: list[Boosted], groups: Sequence[int] | None) -> NDArray[np.float64]:
    importance = np.stack([np.abs(fit.importance) for fit in fits], axis=1)
    if groups is None:
        return importance
    sizes = check_groups(groups, len(importance))
    starts = [0, *itertools.accumulate(sizes[:-1])]
    return np.add.reduceat(importance, starts, axis=0)


def dci_importance(
    codes: Any, factors: Any, *, backend: Backend = "exact", groups: Sequence[int] | None = None, seed: int = 0
) -> NDArray[np.float64]:
    """Importance matrix of DCI: how much each code dimension serves each factor.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 100 samples.
        factors: Factor indices, integers ``(n, k)``.
        backend: As in ``dci``.
        groups: As in ``dci``.
        seed: Seed of the tie breaking.

    Returns:
        Array ``(d, k)``, or ``(groups, k)``, non-negative; a column sums to 1, or to 0 if no split helped its factor.
    """
    split = check_split(codes, factors, codes[:1], factors[:1], minimum=MIN_SAMPLES)
    return _stack(fit_factors(split, backend, seed), groups)


@register_score(
    "dci",
    title="DCI (boosted trees)",
    keys={
        "dci_disentanglement": Key(),
        "dci_completeness": Key(),
        "dci_informativeness_train": Key(),
        "dci_informativeness_test": Key(),
    },
    min_samples=MIN_SAMPLES,
    rewards="trees that predict a factor use one code dimension, and use it for that factor only",
    source="Eastwood & Williams 2018 (ICLR), classifier of disentanglement_lib",
)
def dci(
    codes: Any,
    factors: Any,
    test_codes: Any,
    test_factors: Any,
    *,
    backend: Backend = "exact",
    groups: Sequence[int] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    r"""Disentanglement, completeness and informativeness of Eastwood & Williams with boosted trees.

    One gradient-boosted classifier per factor gives the importances :math:`R_{ij}` of code dimension i for
    factor j. With :math:`\rho_i = \sum_j R_{ij} / \sum R` and entropies in the base that makes them at most
    1,

    .. math:: D = \sum_i \rho_i \left(1 - H_k(R_{i\cdot})\right), \qquad
              C = \sum_j \rho_j \left(1 - H_d(R_{\cdot j})\right),

    and informativeness is the classifiers' mean accuracy on training and on test samples. D depends strongly
    on the number of training samples, so nothing is subsampled. A class that training never showed counts as
    an error on the test samples; a test set without some class is fine.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 100 samples (the reference uses 10,000).
        factors: Factor indices, integers ``(n, k)``.
        test_codes: Held-out representation ``(m, d)``.
        test_factors: Their factors ``(m, k)``.
        backend: ``"exact"``, or ``"sklearn"`` for the same algorithm in scikit-learn (tens of times slower).
        groups: Columns of each group of code dimensions, in order; importances are added up over a group, which then
            takes the place of a dimension. None: every dimension for itself.
        seed: Seed of the tie breaking between equally good splits.

    Returns:
        ``dci_disentanglement``, ``dci_completeness``, ``dci_informativeness_train`` and
        ``dci_informativeness_test``, each between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or an unknown backend.

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(144), (3, 4, 12)), axis=1)[:, :2]
    >>> {key: round(value, 6) for key, value in dci(factors * 1.0, factors, factors * 1.0, factors).items()}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'dci_disentanglement': 1.0, 'dci_completeness': 1.0,
     'dci_informativeness_train': 1.0, 'dci_informativeness_test': 1.0}

    Source: disentanglement_lib ``metrics/dci.py``.
    """
    split = check_split(codes, factors, test_codes, test_factors, minimum=MIN_SAMPLES)
    fits = fit_factors(split, backend, seed)
    importance = _stack(fits, groups)
    columns = range(len(fits))
    return {
        "dci_disentanglement": disentanglement(importance),
        "dci_completeness": completeness(importance),
        "dci_informativeness_train": float(
            np.mean([(fits[j].train_labels == split.factors[:, j]).mean() for j in columns])
        ),
        "dci_informativeness_test": float(
            np.mean([(fits[j].test_labels == split.test_factors[:, j]).mean() for j in columns])
        ),
    }
