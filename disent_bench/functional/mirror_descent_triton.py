"""The iteration of :mod:`.mirror_descent` as one Triton kernel: one block solves one problem, and the host never waits.

Needs triton, which CUDA builds of torch bring. With ``TRITON_INTERPRET=1`` it runs on a CPU, slowly, for tests.
"""

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from disent_bench.functional import mirror_descent

_LARGEST_SCALING = tl.constexpr(mirror_descent.LARGEST_SCALING)
_INNER_SHARE = tl.constexpr(mirror_descent.INNER_SHARE)
_INNER_LARGEST = tl.constexpr(mirror_descent.INNER_LARGEST)
_JUMP_BELOW = tl.constexpr(mirror_descent.JUMP_BELOW)
_LARGEST_RATIO = tl.constexpr(mirror_descent.LARGEST_RATIO)
_STEPS_AFTER_BAD_JUMP = tl.constexpr(mirror_descent.STEPS_AFTER_BAD_JUMP)
# Below this a mass counts as this: its scaling leaves the range without a division by zero.
_SMALLEST_MASS = tl.constexpr(1e-30)
# Stands for a change not yet measured.
_UNKNOWN = tl.constexpr(1e30)
_OUT_OF_RANGE, _DONE = tl.constexpr(1), tl.constexpr(2)


@triton.jit
def _negative_logsumexp(logits, real, axis: tl.constexpr):
    """``-log sum exp`` along an axis whose padding, outside ``real``, holds -infinity; 0 there."""
    top = tl.where(real, tl.max(logits, axis), 0.0)
    total = tl.sum(tl.exp(logits - tl.expand_dims(top, axis)), axis)
    return tl.where(real, -top - tl.log(tl.where(real, total, 1.0)), 0.0)


@triton.jit
def _plan(logits, potential, real_rows, n: tl.constexpr):
    """``exp(logits + potential)`` with rows scaled to their marginal; no potential of the rows is rounded for it."""
    logits += potential[None, :]
    plan = tl.exp(logits - tl.where(real_rows, tl.max(logits, 1), 0.0)[:, None])
    return plan / tl.where(real_rows, tl.sum(plan, 1) * n, 1.0)[:, None]


@triton.jit
def _sinkhorn(logits, potential, real_rows, real_columns, tol, budget, n: tl.constexpr, m: tl.constexpr):
    """The potential of the columns of the entropic plan of ``logits``, improved from the given one."""
    used, state = 0, 0
    while (used < budget) & (state != _DONE):
        # One iteration in the log domain, after which no column lacks mass but for rounding.
        rows = _negative_logsumexp(logits + potential[None, :], real_rows, 1)
        rows = tl.where(real_rows, rows - tl.log(float(n)), 0.0)
        potential = _negative_logsumexp(logits + rows[:, None], real_columns, 0)
        potential = tl.where(real_columns, potential - tl.log(float(m)), 0.0)
        kernel = _plan(logits, potential, real_rows, n)
        scaling = tl.full(potential.shape, 1.0, tl.float32)
        state = 0
        while (used < budget) & (state == 0):
            total = tl.where(real_rows, tl.sum(kernel * scaling[None, :], 1) * n, 1.0)
            mass = tl.sum(kernel / total[:, None], 0)
            error = tl.sum(tl.where(real_columns, tl.abs(mass * scaling - 1.0 / m), 0.0), 0)
            scaling = tl.where(real_columns, 1.0 / (m * tl.maximum(mass, _SMALLEST_MASS)), 1.0)
            in_range = (tl.max(scaling, 0) < _LARGEST_SCALING) & (tl.min(scaling, 0) > 1 / _LARGEST_SCALING)
            state = tl.where(error < tol, _DONE, tl.where(in_range, 0, _OUT_OF_RANGE))
            used += 1
        scaling = tl.minimum(tl.maximum(scaling, 1 / _LARGEST_SCALING), _LARGEST_SCALING)
        potential += tl.log(scaling)
    return potential


@triton.jit
def _descend(
    cost_x,
    cost_y,
    start,
    found,
    converged,
    epsilons,
    scale,
    steps,
    stages,
    tol,
    inner_iter,
    n: tl.constexpr,
    m: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
):
    problem = tl.program_id(0)
    row, column = tl.arange(0, rows), tl.arange(0, columns)
    real_rows, real_columns = row < n, column < m
    real = real_rows[:, None] & real_columns[None, :]
    of_x = cost_x + problem * n * n + row[:, None] * n + row[None, :]
    of_y = cost_y + problem * m * m + column[:, None] * m + column[None, :]
    of_plan = problem * n * m + row[:, None] * m + column[None, :]
    plan = tl.load(start + of_plan, mask=real, other=0.0)
    last_logits = plan
    potential = tl.zeros([columns], tl.float32)
    size = tl.load(scale)
    last_epsilon = tl.load(epsilons)
    change = tl.full([], _UNKNOWN, tl.float32)
    for stage in range(stages):
        epsilon = tl.load(epsilons + stage)
        budget = tl.load(steps + problem * stages + stage)
        potential *= last_epsilon / epsilon
        last_epsilon = epsilon
        # One value each: of two names for one value, Triton 3.6 and 3.7 keep the first alone through the loop.
        change = tl.full([], _UNKNOWN, tl.float32)
        last_change = tl.full([], _UNKNOWN, tl.float32)
        before_jump = tl.full([], _UNKNOWN, tl.float32)
        plain, wait, taken = 0, 0, 0
        while taken < budget:
            x = tl.load(of_x, mask=real_rows[:, None] & real_rows[None, :], other=0.0)
            y = tl.load(of_y, mask=real_columns[:, None] & real_columns[None, :], other=0.0)
            half = tl.dot(x, plan, input_precision="ieee")
            logits = tl.dot(half, y * (4 / (epsilon * size)), input_precision="ieee")
            jump = (plain >= tl.maximum(2, wait)) & (change < _JUMP_BELOW) & (change < last_change * _LARGEST_RATIO)
            factor = tl.where(jump, change, 0.0) / tl.where(jump, last_change - change, 1.0)
            logits = tl.where(real, logits + factor * (logits - last_logits), float("-inf"))
            inner_tol = tl.minimum(_INNER_LARGEST, change * _INNER_SHARE)
            potential = _sinkhorn(logits, potential, real_rows, real_columns, inner_tol, inner_iter, n, m)
            following = _plan(logits, potential, real_rows, n)
            moved = tl.sum(tl.sum(tl.abs(following - plan), 1), 0)
            plan = following
            last_logits = tl.where(real, logits, 0.0)
            taken += 1
            if jump:
                before_jump = change
                plain, wait = 0, 0
            else:
                last_change = change
                change = moved
                plain += 1
                if change < tol:
                    taken = budget
                elif change > before_jump:
                    wait = _STEPS_AFTER_BAD_JUMP
                    before_jump = tl.full([], _UNKNOWN, tl.float32)
    tl.store(found + of_plan, plan, mask=real)
    tl.store(converged + problem, (change < tol).to(tl.int32))


@lru_cache(maxsize=64)
def _on_device(numbers: tuple, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A constant, copied once: a copy per call would make the host wait."""
    return torch.tensor(numbers, dtype=dtype, device=device)


def descend_triton(
    cost_x: Tensor,
    cost_y: Tensor,
    plan: Tensor,
    epsilons: tuple[float, ...],
    steps: tuple[tuple[int, ...], ...],
    tol: float,
    inner_iter: int,
    scale: float | Tensor,
) -> tuple[Tensor, Tensor]:
    """The plans of :func:`.mirror_descent.descend_torch`, with the same arguments.

    Each linear problem starts with one Sinkhorn iteration in the log domain and goes on with scalings, as on the CPU;
    they return to the log domain when they leave the range of float32.

    Raises:
        ValueError: more than 64 points on one side, or costs that are not in float32 or not on a GPU.
    """
    n, m = plan.shape[-2:]
    batch, device = plan.shape[:-2], plan.device
    limit = mirror_descent.LARGEST_IN_ONE_BLOCK
    if max(n, m) > limit:
        raise ValueError(f"solver 'triton' takes at most {limit} points, not {max(n, m)}; 'native' takes more")
    if plan.dtype != torch.float32:
        raise ValueError(f"solver 'triton' takes costs in float32, not {plan.dtype}; 'native' takes both")
    if device.type != "cuda" and not triton.knobs.runtime.interpret:
        raise ValueError(f"solver 'triton' needs costs on a GPU, not on {device.type}; 'native' runs everywhere")
    cost_x, cost_y = (c.expand(*batch, *c.shape[-2:]).contiguous() for c in (cost_x, cost_y))
    plan = plan.contiguous()
    found = torch.empty_like(plan)
    converged = torch.empty(batch, dtype=torch.int32, device=device)
    problems = batch.numel()
    rows, columns = (max(16, triton.next_power_of_2(size)) for size in (n, m))
    steps = steps * problems if len(steps) == 1 else steps
    # Triton launches on the current device, which need not be that of the costs.
    with torch.cuda.device_of(plan):
        _descend[(problems,)](
            cost_x,
            cost_y,
            plan,
            found,
            converged,
            _on_device(epsilons, torch.float32, device),
            torch.as_tensor(scale, dtype=torch.float32, device=device),
            _on_device(steps, torch.int32, device),
            len(epsilons),
            tol,
            inner_iter,
            n=n,
            m=m,
            rows=rows,
            columns=columns,
            num_warps=4 if max(rows, columns) <= 32 else 8,
        )
    return found, converged.bool()
