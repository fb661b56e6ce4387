"""Exact one-dimensional linear support vector classifier, equal to a converged scikit-learn ``LinearSVC``."""

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.parallel import split_work

COST = 0.01
TOLERANCE = 1e-12  # relative decrease of the objective promised by the next Newton step


def predict_column(
    column: NDArray[np.floating], labels: NDArray[np.int64], test_column: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Labels that a linear SVM on one column predicts for ``test_column``.

    L2 penalty (on the intercept too), squared hinge, C = 0.01, one class against the rest. ``balanced`` class
    weights :math:`n / (K n_k)` as liblinear applies them: to the positive class of each problem, and to both
    classes if there are only two.
    """
    from disent_metrics.estimators.linear_svm_kernels import fit_classes

    classes, encoded, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weight = COST * len(labels) / (len(classes) * counts)
    binary = len(classes) == 2
    others = weight[::-1].copy() if binary else np.full(len(classes), COST)
    x = column.astype(np.float64)
    fits = np.zeros((len(classes), 2))
    first = 1 if binary else 0

    def fit(begin: int, end: int) -> None:
        fit_classes(x, encoded, first + begin, first + end, weight, others, TOLERANCE, fits)

    split_work(fit, len(classes) - first)
    scores = np.outer(fits[:, 0], test_column.astype(np.float64)) + fits[:, 1:]
    return classes[(scores[1] > 0).astype(int) if binary else scores.argmax(axis=0)]
