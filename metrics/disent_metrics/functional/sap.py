"""Separated attribute predictability."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.information import top_gap
from disent_metrics.estimators.linear_svm import predict_column
from disent_metrics.inputs import Split, check_split
from disent_metrics.registry import Key, register_score

MIN_SAMPLES = 20
DEAD_VARIANCE = 1e-12  # a code or factor that varies less explains nothing


def _accuracy_table(split: Split) -> NDArray[np.float64]:
    """Test accuracy ``(d, k)`` of a linear SVM from each single code dimension to each factor."""
    table = np.empty((split.codes.shape[1], split.factors.shape[1]))
    for i, j in np.ndindex(*table.shape):
        predicted = predict_column(split.codes[:, i], split.factors[:, j], split.test_codes[:, i])
        table[i, j] = (predicted == split.test_factors[:, j]).mean()
    return table


def _correlation_table(split: Split) -> NDArray[np.float64]:
    """Squared correlation ``(d, k)`` of each code dimension with each factor, on the training samples."""
    codes = split.codes.astype(np.float64)
    codes = codes - codes.mean(axis=0)
    factors = split.factors - split.factors.mean(axis=0)
    covariance = codes.T @ factors / len(codes)
    variance = np.outer((codes**2).mean(axis=0), (factors**2).mean(axis=0))
    return np.divide(covariance**2, variance, out=np.zeros_like(covariance), where=variance > DEAD_VARIANCE)


@register_score(
    "sap",
    title="Separated attribute predictability",
    keys={"sap": Key()},
    min_samples=MIN_SAMPLES,
    rewards="one code dimension predicts a factor linearly, no second one does",
    source="Kumar et al. 2018 (arXiv:1711.00848), classifier of disentanglement_lib",
)
def sap(
    codes: Any,
    factors: Any,
    test_codes: Any,
    test_factors: Any,
    *,
    continuous_factors: bool = False,
    seed: int = 0,
) -> dict[str, float]:
    r"""Separated attribute predictability (SAP) with linear support vector machines.

    .. math:: \frac1k \sum_j S_{(1)j} - S_{(2)j}

    where :math:`S_{ij}` is the test accuracy of a one-vs-rest linear SVM (squared hinge, C = 0.01, balanced
    class weights) that sees only code dimension i, and the two largest entries of a column are compared (with
    0 if there is one dimension only). Codes are not scaled. The SVM in one dimension is solved to its exact
    minimum. With ``continuous_factors`` :math:`S_{ij}` is the squared correlation on the training samples and
    the test samples are only checked. A class that training never showed counts as an error.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 20 samples.
        factors: Factor indices, integers ``(n, k)``.
        test_codes: Held-out representation ``(m, d)``.
        test_factors: Their factors ``(m, k)``.
        continuous_factors: Regression form of the score; its numbers are not comparable with the other
            form's.
        seed: Accepted for uniformity; the exact solution needs no random numbers.

    Returns:
        ``{"sap": value}``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``).

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(400), (2, 2, 100)), axis=1)[:, :2]
    >>> sap(factors * 8.0, factors, factors * 8.0, factors)
    {'sap': 0.5}

    Source: disentanglement_lib ``metrics/sap_score.py``.
    """
    split = check_split(codes, factors, test_codes, test_factors, minimum=MIN_SAMPLES)
    table = _correlation_table(split) if continuous_factors else _accuracy_table(split)
    return {"sap": float(top_gap(table).mean())}
