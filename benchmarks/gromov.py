"""Entropic Gromov-Wasserstein plans and the Gromov-Monge gap, ours beside POT's solvers and OTT-JAX, in one run.

    python benchmarks/gromov.py [--sizes 32 64 128] [--epsilons 0.01 0.05 0.1 0.2] [--repeats 30] [--threads 1]

All solvers get the same cosine costs, epsilon, product start and processors, and are warm; OTT-JAX is jitted, in
float32, once with its default threshold of 1e-3 on the cost of a step, and once with 1e-5 and up to 500 steps. A faster
solver that stops elsewhere has not done the same work. So the second table has what each descends, the objective with
its entropy, ``<L(P), P> + epsilon sum P log P``, and the third how long ours takes until it is as low as OTT-JAX's at
its end. POT's batched solver is a proximal point method: its epsilon is a length of step, and what it descends is
``<L(P), P>``, which the table of batches shows. The gap has its own epsilon and stop; its time includes the gradient.
"""

import os
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from report import Cell, Report, arguments, milliseconds, seconds_each
from threadpoolctl import threadpool_limits

from disent_bench.functional.costs import cost_matrix
from disent_bench.functional.gromov_wasserstein import entropic_gromov_wasserstein, gromov_monge_gap

PATIENCE_S = 20.0
BATCH, POINTS = 16, 64
GAP_SIZES = (32, 64, 128, 256, 512, 1024)


def points(n: int, seed: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """A cloud in 10 dimensions, and a noisy, bent image of it in 12, with a quarter of the points exchanged."""
    generator = torch.Generator().manual_seed(n if seed is None else seed)
    x = torch.randn(n, 10, generator=generator)
    image = torch.tanh(x @ torch.randn(10, 12, generator=generator) / 2)
    image[: n // 4] = image[: n // 4].flip(0)
    return x, image + 0.1 * torch.randn(n, 12, generator=generator)


def costs(n: int, seed: int | None = None) -> tuple[NDArray, NDArray]:
    x, y = (cost_matrix(z.double(), "cosine").numpy() for z in points(n, seed))
    return x, y


def objective(cost_x: NDArray, cost_y: NDArray, plan: NDArray, epsilon: float = 0.0) -> float:
    rows, columns = plan.sum(1), plan.sum(0)
    squares = rows @ cost_x**2 @ rows + columns @ cost_y**2 @ columns
    value = squares - 2 * (cost_x @ plan @ cost_y * plan).sum()
    return float(value + epsilon * (plan * np.log(np.maximum(plan, 1e-300))).sum())


def ours(
    cost_x: NDArray, cost_y: NDArray, epsilon: float, dtype: type = np.float32, steps: int = 1000
) -> Callable[[], NDArray]:
    x, y = cost_x.astype(dtype), cost_y.astype(dtype)
    return lambda: entropic_gromov_wasserstein(x, y, epsilon=epsilon, tol=1e-4, max_iter=steps).plan


def pot(cost_x: NDArray, cost_y: NDArray, epsilon: float) -> Callable[[], NDArray]:
    import ot

    return lambda: ot.gromov.entropic_gromov_wasserstein(cost_x, cost_y, epsilon=epsilon, symmetric=True, tol=1e-5)


def pot_batch(cost_x: NDArray, cost_y: NDArray, epsilon: float) -> Callable[[], NDArray]:
    import ot

    return lambda: ot.solve_gromov_batch(cost_x, cost_y, reg=epsilon, symmetric=True).plan


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
    return lambda: np.asarray(plan(x, y), dtype=np.float64)


OTTS = ("OTT-JAX", "OTT-JAX, 1e-5")
SOLVERS: dict[str, Callable[[NDArray, NDArray, float], Callable[[], NDArray]]] = {
    "ours, float32": ours,
    "ours, float64": lambda a, b, epsilon: ours(a, b, epsilon, np.float64),
    "POT": pot,
    OTTS[0]: ott,
    OTTS[1]: lambda a, b, epsilon: ott(a, b, epsilon, threshold=1e-5, max_iterations=500),
}


def gap_call(x: torch.Tensor, y: torch.Tensor) -> float:
    y = y.clone().requires_grad_()
    gap = gromov_monge_gap(x, y)
    gap.backward()
    return gap.item()


def until_as_low(cost_x: NDArray, cost_y: NDArray, epsilon: float, goal: float, repeats: int) -> tuple[Cell, Cell]:
    """Return after how many steps ours is at a value of the regularised objective, and their milliseconds."""
    steps, last = 1, 0
    while last < 1000:
        work = ours(cost_x, cost_y, epsilon, steps=steps)
        if objective(cost_x, cost_y, work(), epsilon) <= goal + 1e-5 * abs(goal):
            return steps, milliseconds(work, repeats)
        steps, last = max(steps + 1, steps * 5 // 4), steps
    return None, "not reached"


def shown(objective: float | None) -> str | None:
    return None if objective is None else f"{objective:.5f}"


def compare(report: Report, n: int, epsilon: float, repeats: int, too_slow: set[str]) -> None:
    cost_x, cost_y = costs(n)
    times: dict[str, Cell] = {}
    objectives: dict[str, float] = {}
    for name, prepare in SOLVERS.items():
        if name in OTTS and find_spec("ott") is None:
            times[name] = "not installed"
        elif name in too_slow:
            times[name] = "skipped"
        else:
            work = prepare(cost_x, cost_y, epsilon)
            objectives[name] = objective(cost_x, cost_y, work(), epsilon)
            (once,) = seconds_each(work, 1)
            times[name] = milliseconds(work, repeats)
            # Twice the points: four to eight times the work.
            if 6 * once > PATIENCE_S:
                too_slow.add(name)
    report.row("milliseconds", n, f"{epsilon:g}", *times.values())
    report.row("objectives", n, f"{epsilon:g}", *(shown(objectives.get(name)) for name in SOLVERS))
    if find_spec("ott") is not None:
        for name in OTTS:
            steps, taken = until_as_low(cost_x, cost_y, epsilon, objectives[name], repeats)
            report.row("as low as OTT", n, f"{epsilon:g}", name, shown(objectives[name]), times[name], steps, taken)


def batches(report: Report, epsilon: float, repeats: int, count: int, n: int) -> None:
    pairs = [costs(n, seed) for seed in range(count)]
    cost_x, cost_y = (np.stack(each) for each in zip(*pairs, strict=True))
    for name, prepare in (
        ("ours", ours),
        ("POT, batched", pot_batch),
    ):
        alone = prepare(*(each[:1].astype(np.float32) for each in (cost_x, cost_y)), epsilon)
        together = prepare(*(each.astype(np.float32) for each in (cost_x, cost_y)), epsilon)
        plans = np.asarray(together(), dtype=np.float64)
        found = [objective(*each) for each in zip(cost_x, cost_y, plans, strict=True)]
        alone()
        shared = milliseconds(together, repeats).times(1 / count)
        report.row("batches", f"{epsilon:g}", name, milliseconds(alone, repeats), shared, f"{np.mean(found):.4f}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--epsilons", type=float, nargs="+", default=[0.01, 0.05, 0.1, 0.2])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # the one setting that binds XLA's threads too, before they start
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    torch.set_num_threads(given.threads)
    threadpool_limits(given.threads)
    warnings.simplefilter("ignore")
    sizes, epsilons, repeats = ([16], [0.1], 2) if given.smallest else (given.sizes, given.epsilons, given.repeats)
    report = Report(__file__, given, "torch", "pot", "ott-jax", "jax")
    report.table("milliseconds", "n", "epsilon", *SOLVERS)
    report.table("objectives", "n", "epsilon", *SOLVERS)
    columns = ("solver", "its objective", "its ms", "steps of ours until there", "ours, ms")
    if find_spec("ott") is not None:
        report.table("as low as OTT", "n", "epsilon", *columns)
    too_slow: set[str] = set()
    for n in sizes:
        for epsilon in epsilons:
            compare(report, n, epsilon, repeats, too_slow)
    count, n = (2, 16) if given.smallest else (BATCH, POINTS)
    report.table("batches", "epsilon", "solver", "alone, ms", f"one of {count}, ms", "mean of <L(P), P>")
    for epsilon in epsilons:
        batches(report, epsilon, repeats, count, n)
    report.table("gap", "n", "the gap with its gradient, ms")
    for n in sizes if given.smallest else GAP_SIZES:
        x, y = points(n)
        gap_call(x, y)
        report.row("gap", n, milliseconds(lambda x=x, y=y: gap_call(x, y), repeats))
    report.close()


if __name__ == "__main__":
    main()
