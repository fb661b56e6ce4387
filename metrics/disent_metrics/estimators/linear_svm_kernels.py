"""Compiled kernel: L2-regularised squared-hinge linear SVM on one column, solved exactly by Newton's
method."""

from typing import Any

from numba import njit

MAX_STEPS = 200


@njit(cache=True, nogil=True)
def _objective(x: Any, positive: Any, cost_positive: float, cost: float, w: float, b: float) -> float:
    """Half the squared norm of ``(w, b)`` plus the weighted squared hinge losses."""
    loss = 0.0
    for i in range(x.shape[0]):
        margin = w * x[i] + b
        slack = 1.0 - margin if positive[i] else 1.0 + margin
        if slack > 0.0:
            loss += (cost_positive if positive[i] else cost) * slack * slack
    return 0.5 * (w * w + b * b) + loss


@njit(cache=True, nogil=True)
def fit_column(x: Any, positive: Any, cost_positive: float, cost: float, tolerance: float) -> tuple[float, float]:
    """Weight and (regularised) intercept of the minimum; the objective is convex and piecewise quadratic.

    A Newton step solves the 2 x 2 system of the rows inside the margin and is halved until the objective
    falls.
    """
    w, b = 0.0, 0.0
    value = _objective(x, positive, cost_positive, cost, w, b)
    for _ in range(MAX_STEPS):
        grad_w, grad_b = w, b
        h_ww, h_wb, h_bb = 1.0, 0.0, 1.0
        for i in range(x.shape[0]):
            sign = 1.0 if positive[i] else -1.0
            slack = 1.0 - sign * (w * x[i] + b)
            if slack > 0.0:
                weight = 2.0 * (cost_positive if positive[i] else cost)
                grad_w -= weight * sign * slack * x[i]
                grad_b -= weight * sign * slack
                h_ww += weight * x[i] * x[i]
                h_wb += weight * x[i]
                h_bb += weight
        determinant = h_ww * h_bb - h_wb * h_wb
        step_w = -(h_bb * grad_w - h_wb * grad_b) / determinant
        step_b = -(h_ww * grad_b - h_wb * grad_w) / determinant
        descent = grad_w * step_w + grad_b * step_b
        if -descent <= tolerance * max(value, 1e-12):
            break
        length = 1.0
        for _halving in range(50):
            new = _objective(x, positive, cost_positive, cost, w + length * step_w, b + length * step_b)
            if new <= value + 1e-4 * length * descent:
                break
            length *= 0.5
        w, b, value = w + length * step_w, b + length * step_b, new
    return w, b


@njit(cache=True, nogil=True)
def fit_classes(
    x: Any, labels: Any, first: int, last: int, costs_positive: Any, costs: Any, tolerance: float, out: Any
) -> None:
    """One-vs-rest fits of the classes ``first`` to ``last - 1``; rows of ``out`` get weight and intercept."""
    for k in range(first, last):
        out[k, 0], out[k, 1] = fit_column(x, labels == k, costs_positive[k], costs[k], tolerance)
