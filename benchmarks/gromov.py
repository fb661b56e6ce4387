"""Entropic Gromov-Wasserstein plans and the Gromov-Monge gap, ours beside POT and (if installed) OTT-JAX, in one run.

    python benchmarks/gromov.py [--sizes 64 128 256 512 1024] [--epsilons 0.01 0.05] [--repeats 30] [--threads 1]

All solvers get the same costs, epsilon, product start and processors, and are warm; OTT-JAX is jitted, in float32, once
with its default threshold of 1e-3 on the cost of a step, and once with 1e-5 and up to 500 steps. Each cell is the
median time in milliseconds and the objective found: a faster solver that stops at another objective has not done the
same work. The last columns are one training call of the gap, with its gradient, which has its own epsilon and stops
earlier.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from disent_bench.functional.costs import cost_matrix
from disent_bench.functional.gromov_wasserstein import entropic_gromov_wasserstein, gromov_monge_gap

PATIENCE_S = 20.0


def points(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A cloud in 10 dimensions, and a noisy, bent image of it in 12, with a quarter of the points exchanged."""
    generator = torch.Generator().manual_seed(n)
    x = torch.randn(n, 10, generator=generator)
    image = torch.tanh(x @ torch.randn(10, 12, generator=generator) / 2)
    image[: n // 4] = image[: n // 4].flip(0)
    return x, image + 0.1 * torch.randn(n, 12, generator=generator)


def objective(cost_x: NDArray, cost_y: NDArray, plan: NDArray) -> float:
    rows, columns = plan.sum(1), plan.sum(0)
    squares = rows @ cost_x**2 @ rows + columns @ cost_y**2 @ columns
    return float(squares - 2 * (cost_x @ plan @ cost_y * plan).sum())


def ours(cost_x: NDArray, cost_y: NDArray, epsilon: float, dtype: type) -> Callable[[], NDArray]:
    x, y = cost_x.astype(dtype), cost_y.astype(dtype)
    return lambda: entropic_gromov_wasserstein(x, y, epsilon=epsilon, tol=1e-4).plan


def pot(cost_x: NDArray, cost_y: NDArray, epsilon: float) -> Callable[[], NDArray]:
    import ot

    return lambda: ot.gromov.entropic_gromov_wasserstein(cost_x, cost_y, epsilon=epsilon, symmetric=True, tol=1e-5)


def ott(cost_x: NDArray, cost_y: NDArray, epsilon: float, **stopping: float) -> Callable[[], NDArray]:
    import jax
    import jax.numpy as jnp
    from ott.geometry import geometry
    from ott.problems.quadratic import quadratic_problem
    from ott.solvers.linear import sinkhorn
    from ott.solvers.quadratic import gromov_wasserstein

    # Its linear problem carries half of POT's gradient, so half of the epsilon means the same plan.
    solver = gromov_wasserstein.GromovWasserstein(
        linear_solver=sinkhorn.Sinkhorn(), epsilon=epsilon / 2, warm_start=True, **stopping
    )

    @jax.jit
    def plan(a: "jax.Array", b: "jax.Array") -> "jax.Array":
        geometries = [geometry.Geometry(cost_matrix=c) for c in (a, b)]
        return solver(quadratic_problem.QuadraticProblem(*geometries)).matrix

    x, y = (jnp.asarray(c, dtype=jnp.float32) for c in (cost_x, cost_y))
    return lambda: np.asarray(plan(x, y))


def timed(work: Callable[[], NDArray], repeats: int) -> tuple[float, NDArray]:
    """Median time in milliseconds after a first call, which may compile, and the result; slow work is timed less."""
    result = work()
    times: list[float] = []
    while len(times) < repeats and sum(times) < PATIENCE_S / 4:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times)), result


def gap_call(x: torch.Tensor, y: torch.Tensor) -> NDArray:
    y = y.clone().requires_grad_()
    gap = gromov_monge_gap(x, y)
    gap.backward()
    return np.array(gap.item())


SOLVERS: dict[str, Callable[[NDArray, NDArray, float], Callable[[], NDArray]]] = {
    "ours f32": lambda a, b, epsilon: ours(a, b, epsilon, np.float32),
    "ours f64": lambda a, b, epsilon: ours(a, b, epsilon, np.float64),
    "POT": pot,
    "OTT-JAX": ott,
    "OTT-JAX 1e-5": lambda a, b, epsilon: ott(a, b, epsilon, threshold=1e-5, max_iterations=500),
}


def row(n: int, epsilon: float, repeats: int, too_slow: set[str]) -> list[str]:
    x, y = points(n)
    cost_x, cost_y = (cost_matrix(z.double(), "cosine").numpy() for z in (x, y))
    cells, times = [str(n), f"{epsilon:g}"], {}
    for name, prepare in SOLVERS.items():
        if name.startswith("OTT") and find_spec("ott") is None:
            cells.append("absent")
        elif name in too_slow:
            cells.append("skipped")
        else:
            times[name], plan = timed(prepare(cost_x, cost_y, epsilon), repeats)
            cells.append(f"{times[name]:.2f} ({objective(cost_x, cost_y, plan):.4f})")
            # Twice the points: four to eight times the work.
            if 6e-3 * times[name] > PATIENCE_S:
                too_slow.add(name)
    cells += [f"{times[name] / times['ours f32']:.1f}" if name in times else "" for name in ("POT", "OTT-JAX")]
    taken, gap = timed(lambda: gap_call(x, y), repeats)
    return [*cells, f"{taken:.2f}", f"{gap:.4f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256, 512, 1024])
    parser.add_argument("--epsilons", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # the one setting that binds XLA's threads too, before they start
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    torch.set_num_threads(arguments.threads)
    threadpool_limits(arguments.threads)
    warnings.simplefilter("ignore")
    table = Table(title=f"cosine costs, {arguments.threads} threads: ms (objective found)")
    for column in ("n", "epsilon", *SOLVERS, "POT / ours", "OTT / ours", "gap, gradient", "gap"):
        table.add_column(column, justify="right")
    too_slow: set[str] = set()
    for n in arguments.sizes:
        for epsilon in arguments.epsilons:
            table.add_row(*row(n, epsilon, arguments.repeats, too_slow))
    console = Console(width=160)
    console.print(table)
    if find_spec("ott") is None:
        console.print("OTT-JAX is skipped: ott is not installed (pip install ott-jax jax)")
    if too_slow:
        console.print(f"skipped: the size was expected to take more than {PATIENCE_S:.0f} s")


if __name__ == "__main__":
    main()
