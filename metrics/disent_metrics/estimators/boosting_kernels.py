"""Compiled kernels of exact gradient boosting: one depth-3 regression tree on presorted columns.

The algorithm is that of scikit-learn's ``GradientBoostingClassifier`` with default settings: squared-error
splits between distinct float32 values, impurity importance, one Newton step per leaf. Every column is sorted
once; below the root the sorted order is kept by a stable partition, so no node ever sorts again.
"""

import math
from typing import Any

import numpy as np
from numba import njit

DEPTH = 3
NUM_SPLITS = 2**DEPTH - 1  # inner nodes of a full tree, numbered as a heap: children of i are 2i+1 and 2i+2
NUM_NODES = 2 ** (DEPTH + 1) - 1
EPSILON = float(np.finfo(np.float64).eps)
SAME_VALUE = np.float32(1e-7)  # scikit-learn places no threshold between values closer than this


@njit(cache=True, nogil=True)
def exp(values: Any) -> Any:
    """Exponentials of a contiguous array by the system's C library: NumPy's last digit depends on the processor.

    Between splits of equal gain, which repeated points make plenty of, that digit would decide.
    """
    result = np.empty_like(values)
    flat, source = result.reshape(-1), values.reshape(-1)
    for i in range(source.size):
        flat[i] = math.exp(source[i])
    return result


@njit(cache=True, nogil=True)
def _next_random(state: Any) -> Any:
    """One step of the xorshift64 generator."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@njit(cache=True, nogil=True)
def _shuffle(columns: Any, state: Any) -> None:
    """Fisher-Yates shuffle of ``columns``; ``state`` is an array with the generator's state."""
    for last in range(columns.shape[0] - 1, 0, -1):
        state[0] = _next_random(state[0])
        other = np.int64(state[0] % np.uint64(last + 1))
        columns[last], columns[other] = columns[other], columns[last]


@njit(cache=True, nogil=True)
def _scan_column(
    order: Any, values: Any, gradient: Any, start: int, end: int, total: float, inverse: Any, best: float
) -> tuple[float, int]:
    """Best cut of one column inside a node: ``(proxy, position)``, position -1 when none beats ``best``."""
    left = 0.0
    position = -1
    size = end - start
    for p in range(start, end - 1):
        left += gradient[order[p]]
        right = total - left
        count = p + 1 - start
        proxy = left * left * inverse[count] + right * right * inverse[size - count]
        if proxy > best and values[order[p + 1]] > values[order[p]] + SAME_VALUE:
            best = proxy
            position = p + 1
    return best, position


@njit(cache=True, nogil=True)
def _partition(source: Any, target: Any, start: int, cut: int, end: int, goes_left: Any) -> None:
    """Stable partition of ``source[start:end]`` into ``target``: the left child's rows first."""
    left, right = start, cut
    for p in range(start, end):
        row = source[p]
        side = goes_left[row]
        target[left if side else right] = row
        left += side
        right += 1 - side


@njit(cache=True, nogil=True)
def _moments(rows: Any, gradient: Any, start: int, end: int) -> tuple[float, float]:
    """Sum and mean squared deviation of the gradient over the rows of a node."""
    total = 0.0
    squares = 0.0
    for p in range(start, end):
        value = gradient[rows[p]]
        total += value
        squares += value * value
    size = end - start
    return total, squares / size - (total / size) ** 2


@njit(cache=True, nogil=True)
def grow_tree(
    levels: Any,
    values: Any,
    gradient: Any,
    inverse: Any,
    state: Any,
    goes_left: Any,
    importance: Any,
    tree: Any,
) -> None:
    """Grow one tree; node bounds, features and thresholds go to ``tree``, impurity decreases to
    ``importance``.

    Args:
        levels: Row orders per depth, int32 ``(DEPTH, d, n)``; depth 0 holds the sorted columns, the rest is
            scratch.
        values: Columns, float32 ``(d, n)``.
        gradient: Negative gradient per row, float64 ``(n,)``.
        inverse: ``1 / i`` for ``i`` up to ``n``.
        state: Random state, uint64 ``(1,)``; decides which of equally good columns is taken.
        goes_left: Scratch, uint8 ``(n,)``.
        importance: Sum of impurity decreases per column, float64 ``(d,)``; added to.
        tree: Tuple ``(start, end, feature, threshold, level, column)`` of arrays over nodes. ``feature`` is
            -1 for a leaf and -2 for an absent node; a leaf's rows are ``levels[level, column, start:end]``.
    """
    start, end, feature, threshold, level, column = tree
    num_columns = values.shape[0]
    columns = np.arange(num_columns)
    feature[:] = -2
    start[0], end[0], level[0], column[0], feature[0] = 0, gradient.shape[0], 0, 0, -1
    for node in range(NUM_SPLITS):
        if feature[node] == -2:
            continue
        depth = 0 if node == 0 else (1 if node < 3 else 2)
        lo, hi = start[node], end[node]
        size = hi - lo
        total, impurity = _moments(levels[depth, column[node]], gradient, lo, hi)
        if size < 2 or impurity <= EPSILON:
            continue
        _shuffle(columns, state)
        best = -np.inf
        cut = -1
        chosen = -1
        for f in columns:
            best, position = _scan_column(levels[depth, f], values[f], gradient, lo, hi, total, inverse, best)
            if position >= 0:
                cut, chosen = position, f
        if cut < 0:
            continue
        rows = levels[depth, chosen]
        below, above = values[chosen, rows[cut - 1]], values[chosen, rows[cut]]
        feature[node] = chosen
        threshold[node] = np.float64(below) / 2.0 + np.float64(above) / 2.0
        _, impurity_left = _moments(rows, gradient, lo, cut)
        _, impurity_right = _moments(rows, gradient, cut, hi)
        importance[chosen] += size * impurity - (cut - lo) * impurity_left - (hi - cut) * impurity_right
        child_level = depth + 1
        if child_level < DEPTH:
            for p in range(lo, hi):
                goes_left[rows[p]] = p < cut
            for f in range(num_columns):
                _partition(levels[depth, f], levels[child_level, f], lo, cut, hi, goes_left)
        else:
            child_level = depth
        for child in range(2 * node + 1, 2 * node + 3):
            feature[child] = -1
            level[child] = child_level
            column[child] = chosen
        start[2 * node + 1], end[2 * node + 1] = lo, cut
        start[2 * node + 2], end[2 * node + 2] = cut, hi


@njit(cache=True, nogil=True)
def newton_step(
    levels: Any, gradient: Any, target: Any, scale: float, rate: float, tree: Any, leaf_value: Any, raw: Any
) -> None:
    """Set every leaf to one damped Newton step and add it to the rows' raw predictions."""
    start, end, feature, _, level, column = tree
    for node in range(NUM_NODES):
        if feature[node] != -1:
            continue
        rows = levels[level[node], column[node]]
        numerator = 0.0
        denominator = 0.0
        for p in range(start[node], end[node]):
            residual = gradient[rows[p]]
            probability = target[rows[p]] - residual
            numerator += residual
            denominator += probability * (1.0 - probability)
        size = end[node] - start[node]
        numerator *= scale / size
        denominator /= size
        leaf_value[node] = 0.0 if abs(denominator) < 1e-150 else rate * numerator / denominator
        for p in range(start[node], end[node]):
            raw[rows[p]] += leaf_value[node]


@njit(cache=True, nogil=True)
def add_tree(inputs: Any, tree: Any, leaf_value: Any, raw: Any) -> None:
    """Add the tree's prediction for ``inputs`` (float32, ``(m, d)``) to ``raw``."""
    _, _, feature, threshold, _, _ = tree
    for row in range(inputs.shape[0]):
        node = 0
        while feature[node] >= 0:
            node = 2 * node + (1 if inputs[row, feature[node]] <= threshold[node] else 2)
        raw[row] += leaf_value[node]


@njit(cache=True, nogil=True)
def boost_classes(
    first: int,
    last: int,
    orders: Any,
    values: Any,
    test_inputs: Any,
    targets: Any,
    gradients: Any,
    inverse: Any,
    states: Any,
    scale: float,
    rate: float,
    raw: Any,
    test_raw: Any,
    importance: Any,
) -> None:
    """One stage's trees of the classes ``first`` to ``last - 1``; outer arrays are indexed by class."""
    tree = (
        np.zeros(NUM_NODES, np.int64),
        np.zeros(NUM_NODES, np.int64),
        np.zeros(NUM_NODES, np.int64),
        np.zeros(NUM_NODES, np.float64),
        np.zeros(NUM_NODES, np.int64),
        np.zeros(NUM_NODES, np.int64),
    )
    leaf_value = np.zeros(NUM_NODES, np.float64)
    goes_left = np.zeros(values.shape[1], np.uint8)
    levels = np.empty((DEPTH, orders.shape[0], orders.shape[1]), np.int32)
    levels[0] = orders
    for k in range(first, last):
        grow_tree(levels, values, gradients[k], inverse, states[k : k + 1], goes_left, importance[k], tree)
        newton_step(levels, gradients[k], targets[k], scale, rate, tree, leaf_value, raw[k])
        add_tree(test_inputs, tree, leaf_value, test_raw[k])
