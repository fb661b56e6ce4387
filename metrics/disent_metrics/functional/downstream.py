"""Downstream accuracy and sample efficiency."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.boosting import boost
from disent_metrics.estimators.logistic import fit_logistic_cv
from disent_metrics.inputs import Split, check_split
from disent_metrics.registry import Key, register_score

MIN_SAMPLES = 1_000
SMALL, MEDIUM = 100, 1_000
SUFFIXES = (str(SMALL), str(MEDIUM), "full", "efficiency")
SOURCE = "Locatello et al. 2019 (arXiv:1811.12359), disentanglement_lib; efficiency from the paper"

# codes, labels of one factor, test codes -> predicted test labels
Predict = Callable[[NDArray[Any], NDArray[np.int64], NDArray[Any]], NDArray[np.int64]]


def _mean_accuracy(split: Split, rows: int, predict: Predict) -> float:
    """Test accuracy after training on the first ``rows`` samples, averaged over factors."""
    accuracies = []
    for labels, test_labels in zip(split.factors[:rows].T, split.test_factors.T, strict=True):
        single = (labels == labels[0]).all()
        predicted = labels[0] if single else predict(split.codes[:rows], labels, split.test_codes)
        accuracies.append((predicted == test_labels).mean())
    return float(np.mean(accuracies))


def _accuracies(name: str, split: Split, predict: Predict) -> dict[str, float]:
    small, medium, full = (_mean_accuracy(split, rows, predict) for rows in (SMALL, MEDIUM, len(split.codes)))
    efficiency = small / full if full > 0 else 0.0
    return {f"{name}_{suffix}": v for suffix, v in zip(SUFFIXES, (small, medium, full, efficiency), strict=True)}


def _keys(name: str) -> dict[str, Key]:
    keys = {f"{name}_{suffix}": Key() for suffix in SUFFIXES}
    keys[f"{name}_efficiency"] = Key(None, 0.0, float("inf"))  # chance level is 1, so more is not better by itself
    return keys


@register_score(
    "downstream_trees",
    title="Downstream accuracy, boosted trees",
    keys=_keys("downstream_trees"),
    min_samples=MIN_SAMPLES,
    rewards="boosted trees predict factors from codes, and need few samples for it",
    source=SOURCE,
    by_dimension=False,
)
def downstream_trees(
    codes: Any, factors: Any, test_codes: Any, test_factors: Any, *, seed: int = 0
) -> dict[str, float]:
    """Test accuracy of boosted trees after 100, 1,000 and all training samples, and their sample efficiency.

    One classifier per factor on all code dimensions (the exact algorithm behind ``dci``); accuracies are averaged
    over factors. Sample efficiency is the accuracy after 100 samples over that after all (10,000 in the paper).
    The smaller training sets are the first rows of the large one, where the reference draws each anew.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 1,000 samples in random order.
        factors: Factor indices, integers ``(n, k)``.
        test_codes: Held-out representation ``(m, d)``.
        test_factors: Their factors ``(m, k)``.
        seed: Seed of the tie breaking.

    Returns:
        ``downstream_trees_100``, ``_1000``, ``_full``: between 0 and 1, higher is better; and ``_efficiency``, which
        codes at chance level have at 1, so it means something next to a good accuracy only.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``).

    >>> import numpy as np
    >>> factors = np.random.default_rng(0).integers(3, size=(1000, 2))
    >>> downstream_trees(factors * 1.0, factors, factors * 1.0, factors)["downstream_trees_100"]
    1.0

    Source: disentanglement_lib ``metrics/downstream_task.py``.
    """

    def predict(train: NDArray[Any], labels: NDArray[np.int64], test: NDArray[Any]) -> NDArray[np.int64]:
        return boost(train, labels, test, seed=seed).test_labels

    split = check_split(codes, factors, test_codes, test_factors, minimum=MIN_SAMPLES)
    return _accuracies("downstream_trees", split, predict)


@register_score(
    "downstream_logistic",
    title="Downstream accuracy, logistic regression",
    keys=_keys("downstream_logistic"),
    min_samples=MIN_SAMPLES,
    rewards="a linear classifier predicts factors from codes, and needs few samples for it",
    source=SOURCE,
    by_dimension=False,
)
def downstream_logistic(codes: Any, factors: Any, test_codes: Any, test_factors: Any) -> dict[str, float]:
    """Test accuracy of logistic regression after 100, 1,000 and all training samples, and its sample efficiency.

    One classifier per factor on unscaled codes, its penalty chosen among ten by unshuffled five-fold
    cross-validation, as scikit-learn's ``LogisticRegressionCV`` does; otherwise as ``downstream_trees``.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 1,000 samples in random order.
        factors: Factor indices, integers ``(n, k)``.
        test_codes: Held-out representation ``(m, d)``.
        test_factors: Their factors ``(m, k)``.

    Returns:
        ``downstream_logistic_100``, ``_1000``, ``_full`` and ``_efficiency``, as for ``downstream_trees``.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``).

    >>> import numpy as np
    >>> factors = np.random.default_rng(0).integers(2, size=(1000, 2))
    >>> downstream_logistic(factors * 1.0, factors, factors * 1.0, factors)["downstream_logistic_full"]
    1.0

    Source: disentanglement_lib ``metrics/downstream_task.py`` and ``metrics/utils.py``.
    """

    def predict(train: NDArray[Any], labels: NDArray[np.int64], test: NDArray[Any]) -> NDArray[np.int64]:
        return fit_logistic_cv(train, labels).predict(test)

    split = check_split(codes, factors, test_codes, test_factors, minimum=MIN_SAMPLES)
    return _accuracies("downstream_logistic", split, predict)
