"""Exact gradient boosting for classification: scikit-learn's defaults, many times faster.

Off-the-shelf histogram boosters give other importances than the reference's (see ``docs/metrics.md``), so the
exact algorithm is implemented here; ``tests/metrics`` holds it against scikit-learn.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.parallel import split_work

NUM_STAGES = 100
LEARNING_RATE = 0.1
EPSILON = float(np.finfo(np.float64).eps)


class Boosted(NamedTuple):
    """What a boosted classifier says: importances ``(d,)`` (sum 1, or all 0) and predicted labels."""

    importance: NDArray[np.float64]
    train_labels: NDArray[np.int64]
    test_labels: NDArray[np.int64]


def _softmax_gradient(raw: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Negative gradient ``y - p`` of the cross-entropy; scores ``(classes, n)``, or log-odds ``(1, n)``."""
    from disent_metrics.estimators.boosting_kernels import exp

    if len(raw) == 1:
        return targets - 1.0 / (1.0 + exp(-raw))
    shifted: NDArray[np.float64] = exp(raw - raw.max(axis=0))
    shifted /= shifted.sum(axis=0)
    return np.subtract(targets, shifted, out=shifted)


def _prior_scores(targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Raw scores of the class frequencies: log-odds for one row, centred logs for several."""
    share = np.clip(targets.mean(axis=1), EPSILON, 1 - EPSILON)
    odds = share / (1 - share) if len(share) == 1 else share
    logs = np.array([math.log(each) for each in odds])  # like the kernels' exp the same on every processor
    return logs if len(share) == 1 else logs - logs.mean()


def boost(
    inputs: NDArray[np.floating],
    labels: NDArray[np.integer],
    test_inputs: NDArray[np.floating],
    *,
    seed: int | tuple[int, ...] = 0,
    threads: int | None = None,
) -> Boosted:
    r"""Gradient-boosted classification trees (Friedman 2001) as scikit-learn fits them by default.

    100 stages of one depth-3 regression tree per class (a single one for two classes) on the residuals
    :math:`y - p`, learning rate 0.1, leaf values
    :math:`\frac{K-1}{K}\sum (y-p) / \sum p(1-p)` (without the factor for two classes). The importance of a
    column is the impurity decrease at its splits, summed over all trees and normalised to 1. Equally good
    columns are chosen between at random. The result depends on ``seed`` only, not on ``threads``.

    Args:
        inputs: Columns to split on, ``(n, d)``; used as float32, as scikit-learn does.
        labels: Class of each row, integers ``(n,)``, at least two classes.
        test_inputs: More rows to predict, ``(m, d)``.
        seed: Seed of the tie breaking.
        threads: Trees grown side by side; by default the CPUs of this process.

    Source: Annals of Statistics 29, 1189; behaviour of scikit-learn's ``ensemble/_gb.py`` and ``tree/_splitter.pyx``.
    """
    from disent_metrics.estimators import boosting_kernels as kernels

    columns = np.ascontiguousarray(inputs.T, dtype=np.float32)
    test_rows = np.ascontiguousarray(test_inputs, dtype=np.float32)
    classes, encoded = np.unique(labels, return_inverse=True)
    n = len(encoded)
    shown = classes[1:] if len(classes) == 2 else classes
    targets = (classes[encoded] == shown[:, None]).astype(np.float64)
    num_trees = len(targets)
    scale = 1.0 if num_trees == 1 else (num_trees - 1) / num_trees
    prior = _prior_scores(targets)
    raw = np.repeat(prior[:, None], n, axis=1)
    test_raw = np.repeat(prior[:, None], len(test_rows), axis=1)
    inverse = np.concatenate([[0.0], 1.0 / np.arange(1, n + 1)])
    states = np.random.default_rng(seed).integers(1, 2**63, size=num_trees, dtype=np.uint64)

    orders = np.argsort(columns, axis=1, kind="stable").astype(np.int32)
    decreases = np.zeros((num_trees, len(columns)))
    for _ in range(NUM_STAGES):
        gradients = _softmax_gradient(raw, targets)

        def grow(first: int, last: int, gradients: NDArray[np.float64] = gradients) -> None:
            kernels.boost_classes(
                first, last, orders, columns, test_rows, targets, gradients, inverse, states, scale,
                LEARNING_RATE, raw, test_raw, decreases,
            )  # fmt: skip

        split_work(grow, num_trees, threads)

    total = decreases.sum(axis=0)
    importance = total / total.sum() if total.sum() > 0 else np.zeros(len(columns))
    return Boosted(importance, _decide(raw, classes), _decide(test_raw, classes))


def _decide(raw: NDArray[np.float64], classes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Predicted labels of raw scores ``(trees, n)``."""
    winner = (raw[0] >= 0).astype(int) if len(raw) == 1 else raw.argmax(axis=0)
    return classes[winner].astype(np.int64)
