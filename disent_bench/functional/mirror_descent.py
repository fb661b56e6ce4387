"""Mirror descent for entropic Gromov-Wasserstein: a fused CPU loop, and the same iteration in torch.

:mod:`.mirror_descent_triton` has it as one kernel for a GPU.

One step linearises the quadratic objective at the plan P, whose cross term is ``-2 <Cx P Cy, P>``, and solves the
entropic linear problem with logits ``(4 / epsilon) Cx P Cy`` by Sinkhorn iterations (Peyre, Cuturi, Solomon, ICML 2016,
with the factor 2 that their proposition 2 misses). Terms of the gradient that depend on one index only are left out:
Sinkhorn's potentials absorb them. The potential of the columns is kept from step to step.
"""

import math

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from disent_bench.functional.fast_exp import vector_exp

# Sums may be reordered so that they vectorise; NaN and infinity keep their meaning.
_FAST_SUMS = {"reassoc", "contract", "nsz"}
# Scalings are folded into the potential before they leave the range where products with them are exact in float32.
LARGEST_SCALING = 1e10
# How exactly a step solves its linear problem: this share of the last change of the plan, at most the second number.
INNER_SHARE = 0.1
INNER_LARGEST = 1e-3
_SYNCHRONISE_EVERY = 10
# A plan of so many points a side, its logits and its kernel fit into the registers of one block of a GPU.
LARGEST_IN_ONE_BLOCK = 64
_LARGEST_OWN_PRODUCT = 256
# Near convergence steps shrink geometrically, and every third one jumps to the end of the series (Aitken): once a step
# moves less than the first number and the ratio of the last two is below the second. After a jump that did not help,
# so many plain steps. Jumping from larger changes (0.02) once led to another local minimum than POT's, in 336 problems.
JUMP_BELOW = 0.005
LARGEST_RATIO = 0.97
STEPS_AFTER_BAD_JUMP = 10


@njit(cache=True, nogil=True, fastmath=_FAST_SUMS, error_model="numpy")
def _multiply(a: NDArray, b: NDArray, product: NDArray) -> None:
    """Matrix product; small ones in this thread, because threads of a BLAS cost more than they bring."""
    rows, inner = a.shape
    if max(rows, inner) > _LARGEST_OWN_PRODUCT:
        np.dot(a, b, product)
        return
    product[:] = 0
    whole = inner - inner % 8
    for k in range(0, whole, 8):
        b0, b1, b2, b3, b4, b5, b6, b7 = b[k], b[k + 1], b[k + 2], b[k + 3], b[k + 4], b[k + 5], b[k + 6], b[k + 7]
        for i in range(rows):
            a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            a4, a5, a6, a7 = a[i, k + 4], a[i, k + 5], a[i, k + 6], a[i, k + 7]
            for j in range(b.shape[1]):
                low = a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j]
                product[i, j] += low + a4 * b4[j] + a5 * b5[j] + a6 * b6[j] + a7 * b7[j]
    for k in range(whole, inner):
        for i in range(rows):
            for j in range(b.shape[1]):
                product[i, j] += a[i, k] * b[k, j]


@njit(cache=True, nogil=True, fastmath=_FAST_SUMS, error_model="numpy")
def _largest(values: NDArray, folded: NDArray) -> float:
    """Largest entry. Compilers do not vectorise that, but do vectorise halving: ``folded`` is for scratch."""
    width = values.size - values.size // 2
    for k in range(values.size - width):
        folded[k] = max(values[k], values[width + k])
    if 2 * width > values.size:
        folded[width - 1] = values[width - 1]
    while width > 8:
        rest = width // 2
        width -= rest
        for k in range(rest):
            folded[k] = max(folded[k], folded[width + k])
    top = folded[0]
    for k in range(1, width):
        top = max(top, folded[k])
    return top


@njit(cache=True, nogil=True, error_model="numpy")
def _shifted_exp(logits: NDArray, shifts: NDArray, result: NDArray, folded: NDArray) -> float:
    """``result = exp(logits + shifts - top)``, where ``top`` is the largest sum, and ``top``.

    Sums are not reordered here: ``top`` must cancel exactly, however large it is.
    """
    for k in range(logits.size):
        result[k] = logits[k] + shifts[k]
    top = _largest(result, folded)
    for k in range(logits.size):
        result[k] = vector_exp(result[k] - top)
    return top


@njit(cache=True, nogil=True, fastmath=_FAST_SUMS, error_model="numpy")
def _start_rows(logits: NDArray, potential: NDArray, plan: NDArray, row_potential: NDArray) -> None:
    """``plan = exp(logits + potential)`` with rows scaled to their marginal, in the log domain."""
    rows, columns = plan.shape
    real = plan.dtype.type
    folded = np.empty_like(potential)
    for i in range(rows):
        top = _shifted_exp(logits[i], potential, plan[i], folded)
        total = real(0)
        for j in range(columns):
            total += plan[i, j]
        total *= real(rows)
        for j in range(columns):
            plan[i, j] /= total
        row_potential[i] = -top - math.log(total)


@njit(cache=True, nogil=True, error_model="numpy")
def _column_potential(logits: NDArray, row_potential: NDArray, potential: NDArray) -> None:
    """The log-domain column update, for columns whose mass underflows."""
    columns = potential.size
    real = logits.dtype.type
    terms, folded = np.empty_like(row_potential), np.empty_like(row_potential)
    for j in range(columns):
        top = _shifted_exp(logits[:, j], row_potential, terms, folded)
        potential[j] = -top - math.log(terms.sum() * real(columns))


@njit(cache=True, nogil=True, fastmath=_FAST_SUMS, error_model="numpy")
def _iterate(plan: NDArray, scaling: NDArray, mass: NDArray, tol: float, budget: int) -> int:
    """Sinkhorn iterations on the scalings of ``plan``; each reads it once. Stops at the tolerance or out of range."""
    rows, columns = plan.shape
    real = plan.dtype.type
    row_mass, column_mass = real(1 / rows), real(1 / columns)
    upper, lower = real(LARGEST_SCALING), real(1 / LARGEST_SCALING)
    for used in range(budget):
        mass[:] = 0
        for i in range(rows):
            total = real(0)
            for j in range(columns):
                total += plan[i, j] * scaling[j]
            total = row_mass / total
            for j in range(columns):
                mass[j] += total * plan[i, j]
        error, largest, smallest = real(0), real(0), upper
        for j in range(columns):
            error += abs(mass[j] * scaling[j] - column_mass)
            scaling[j] = column_mass / mass[j]
            largest = max(largest, scaling[j])
            smallest = min(smallest, scaling[j])
        if error < tol:
            return -1 - used
        if not (largest < upper and smallest > lower):
            return used + 1
    return budget


@njit(cache=True, nogil=True, fastmath=_FAST_SUMS, error_model="numpy")
def _sinkhorn(
    logits: NDArray,
    potential: NDArray,
    plan: NDArray,
    row_potential: NDArray,
    scaling: NDArray,
    mass: NDArray,
    tol: float,
    budget: int,
) -> None:
    """Fill ``plan`` with the entropic plan of ``logits``, rows exact; ``potential`` is read and improved."""
    rows, columns = plan.shape
    real = plan.dtype.type
    upper, lower = real(LARGEST_SCALING), real(1 / LARGEST_SCALING)
    used = 0
    while used < budget:
        _start_rows(logits, potential, plan, row_potential)
        mass[:] = 0
        for i in range(rows):
            for j in range(columns):
                mass[j] += plan[i, j]
        if mass.min() * real(columns) < lower:
            _column_potential(logits, row_potential, potential)
            scaling[:] = 1
            used += 1
            continue
        for j in range(columns):
            scaling[j] = real(1 / columns) / mass[j]
        spent = _iterate(plan, scaling, mass, tol, budget - used)
        # A scaling that left its range is clipped here; the next pass starts from the potential, in the log domain.
        for j in range(columns):
            scaling[j] = min(max(scaling[j], lower), upper)
            potential[j] += math.log(scaling[j])
        if spent < 0:
            break
        used += spent
    for i in range(rows):
        total = real(0)
        for j in range(columns):
            plan[i, j] *= scaling[j]
            total += plan[i, j]
        total *= real(rows)
        for j in range(columns):
            plan[i, j] /= total


@njit(cache=True, nogil=True, fastmath=_FAST_SUMS, error_model="numpy")
def _extrapolate(values: NDArray, last: NDArray, factor: float) -> None:
    """Move ``values`` on along their difference to ``last``."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] += factor * (values[i, j] - last[i, j])


@njit(cache=True, nogil=True, fastmath=_FAST_SUMS, error_model="numpy")
def _distance(a: NDArray, b: NDArray) -> float:
    """Sum of absolute differences."""
    total = a.dtype.type(0)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += abs(a[i, j] - b[i, j])
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def descend(
    cost_x: NDArray, cost_y: NDArray, plan: NDArray, epsilons: NDArray, steps: NDArray, tol: float, inner_iter: int
) -> tuple[NDArray, bool]:
    """Entropic Gromov-Wasserstein plan between uniform laws, from a start plan.

    Args:
        cost_x: symmetric costs, shape ``(n, n)``, float32 or float64; centred costs lose least.
        cost_y: symmetric costs, shape ``(m, m)``, same type.
        plan: start, shape ``(n, m)``, same type.
        epsilons: entropic strengths, run through in turn, each from the plan of the one before.
        steps: how many steps each strength gets at most.
        tol: a strength is done when a step moves less than this mass (sum of absolute changes; the plan's mass is 1).
        inner_iter: Sinkhorn iterations per step, at most.

    Returns:
        The plan, with exact row sums, and whether the last strength reached ``tol``.
    """
    n, m = plan.shape
    real = plan.dtype.type
    potential = np.zeros(m, plan.dtype)
    scaling, mass, row_potential = np.empty(m, plan.dtype), np.empty(m, plan.dtype), np.empty(n, plan.dtype)
    following, half, logits = np.empty_like(plan), np.empty_like(plan), np.empty_like(plan)
    last_logits = np.empty_like(plan)
    change, last_change = np.inf, np.inf
    for stage in range(epsilons.size):
        scaled_y = cost_y * real(4 / epsilons[stage])
        if stage > 0:
            potential *= real(epsilons[stage - 1] / epsilons[stage])
        change, before_jump, plain, wait = np.inf, np.inf, 0, 0
        for _ in range(steps[stage]):
            _multiply(cost_x, plan, half)
            _multiply(half, scaled_y, logits)
            jump = plain >= max(2, wait) and change < JUMP_BELOW and change < LARGEST_RATIO * last_change
            if jump:
                _extrapolate(logits, last_logits, real(change / (last_change - change)))
            inner_tol = min(INNER_LARGEST, INNER_SHARE * change)
            _sinkhorn(logits, potential, following, row_potential, scaling, mass, inner_tol, inner_iter)
            plan, following = following, plan
            logits, last_logits = last_logits, logits
            if jump:
                # How far a jump went says nothing about convergence; the next step does.
                before_jump, plain, wait = change, 0, 0
                continue
            last_change, change = change, _distance(plan, following)
            plain += 1
            if change < tol:
                break
            if change > before_jump:
                wait, before_jump = STEPS_AFTER_BAD_JUMP, np.inf
    return plan, change < tol


def descend_torch(
    cost_x: Tensor,
    cost_y: Tensor,
    plan: Tensor,
    epsilons: tuple[float, ...],
    steps: tuple[tuple[int, ...], ...],
    tol: float,
    inner_iter: int,
    scale: float | Tensor,
) -> tuple[Tensor, Tensor]:
    """The iteration of :func:`descend` on any device, batched over the plan's leading dimensions, without jumps.

    It stays in the log domain. Convergence is looked at every tenth Sinkhorn iteration, and jointly for the batch, to
    spare a GPU the waiting.

    Args:
        cost_x: as for :func:`descend`, with the plan's leading dimensions or none.
        cost_y: likewise.
        plan: starts, shape ``(..., n, m)``.
        epsilons: as for :func:`descend`, in units of ``scale``.
        steps: a row as for :func:`descend` for each problem, or one for all.
        tol: as for :func:`descend`.
        inner_iter: as for :func:`descend`.
        scale: a number, or a tensor of one.

    Returns:
        The plans, and a flag for each.
    """
    n, m = plan.shape[-2:]
    batch = plan.shape[:-2]
    limits = torch.tensor(steps, device=plan.device)
    potential = plan.new_zeros(*batch, 1, m)
    change = plan.new_full((*batch, 1, 1), torch.inf)
    for stage, epsilon in enumerate(epsilons):
        scaled_y = cost_y * (4 / (epsilon * scale))
        if stage > 0:
            potential = potential * (epsilons[stage - 1] / epsilon)
        limit = limits[:, stage].expand(batch.numel()).reshape(*batch, 1, 1)
        largest_change = math.inf
        for taken in range(max(row[stage] for row in steps)):
            logits = cost_x @ plan @ scaled_y
            inner_tol = min(INNER_LARGEST, INNER_SHARE * largest_change)
            columns = potential
            for iteration in range(inner_iter):
                rows = -(logits + columns).logsumexp(-1, keepdim=True) - math.log(n)
                updated = -(logits + rows).logsumexp(-2, keepdim=True) - math.log(m)
                if iteration % _SYNCHRONISE_EVERY == _SYNCHRONISE_EVERY - 1:
                    error = ((columns - updated).exp() - 1).abs().mean(-1)
                    if error.max() < inner_tol:
                        break
                columns = updated
            rows = -(logits + columns).logsumexp(-1, keepdim=True) - math.log(n)
            following = (logits + columns + rows).exp()
            moved = (following - plan).abs().sum((-2, -1), keepdim=True)
            # A problem whose steps are used up waits as it is for the others.
            active = taken < limit
            plan, potential = torch.where(active, following, plan), torch.where(active, columns, potential)
            change = torch.where(active, moved, change)
            largest_change = torch.where(active, moved, 0).max().item()
            if largest_change < tol:
                break
    return plan, (change < tol).reshape(batch)
