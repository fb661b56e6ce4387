"""Explicitness."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.logistic import fit_logistic
from disent_metrics.inputs import Split, TooFewSamplesError, check_split
from disent_metrics.registry import Key, register_score

MIN_SAMPLES = 20


def standardise(split: Split) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Training and test codes with the training mean taken off and divided by its deviation; dead codes become 0."""
    mean, deviation = split.codes.mean(axis=0, dtype=np.float64), split.codes.std(axis=0, dtype=np.float64)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-12)
    return (split.codes - mean) * scale, (split.test_codes - mean) * scale


def macro_auc(probabilities: NDArray[np.float64], labels: NDArray[np.int64], classes: NDArray[np.int64]) -> float:
    """Mean one-vs-rest area under the ROC curve over the classes that have members and non-members.

    The area is the share of (member, non-member) pairs in the right order, ties counting half.

    Raises:
        ValueError: No class of the training data is left to rank.
    """
    from scipy.stats import rankdata

    member = labels[:, None] == classes
    count = member.sum(axis=0)
    usable = (count > 0) & (count < len(labels))
    if not usable.any():
        raise TooFewSamplesError("test_factors have one class only in some column; the ROC curve needs two")
    ranks = rankdata(probabilities[:, usable], axis=0)
    positive = count[usable]
    area = (ranks * member[:, usable]).sum(axis=0) - positive * (positive + 1) / 2
    return float((area / (positive * (len(labels) - positive))).mean())


@register_score(
    "explicitness",
    title="Explicitness",
    keys={"explicitness_train": Key(), "explicitness_test": Key()},
    min_samples=MIN_SAMPLES,
    rewards="all dimensions together predict every factor linearly; 0.5 is chance",
    source="Ridgeway & Mozer 2018 (arXiv:1802.05312), disentanglement_lib",
    by_dimension=False,
)
def explicitness(codes: Any, factors: Any, test_codes: Any, test_factors: Any) -> dict[str, float]:
    """Explicitness: area under the ROC curve of logistic regressions from all code dimensions.

    Codes are standardised with the training statistics; one logistic regression per factor (scikit-learn's
    defaults); one-vs-rest areas are averaged over the classes of a factor, then over factors. The value is not
    rescaled, so chance is 0.5. Where the reference fails: constant dimensions are ignored, a class that the test
    set lacks is left out of the average, and rows of a class that training never showed count as non-members.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 20 samples.
        factors: Factor indices, integers ``(n, k)``.
        test_codes: Held-out representation ``(m, d)``.
        test_factors: Their factors ``(m, k)``, at least two classes in each column.

    Returns:
        ``explicitness_train`` and ``explicitness_test``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or a test factor with one class.

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(64), (2, 2, 16)), axis=1)[:, :2]
    >>> explicitness(factors * 1.0, factors, factors * 1.0, factors)
    {'explicitness_train': 1.0, 'explicitness_test': 1.0}

    Source: disentanglement_lib ``metrics/modularity_explicitness.py``.
    """
    split = check_split(codes, factors, test_codes, test_factors, minimum=MIN_SAMPLES)
    inputs, test_inputs = standardise(split)
    areas = []
    for labels, test_labels in zip(split.factors.T, split.test_factors.T, strict=True):
        model = fit_logistic(inputs, labels)
        areas.append(
            (
                macro_auc(model.predict_proba(inputs), labels, model.classes_),
                macro_auc(model.predict_proba(test_inputs), test_labels, model.classes_),
            )
        )
    train, held_out = np.mean(areas, axis=0)
    return {"explicitness_train": float(train), "explicitness_test": float(held_out)}
