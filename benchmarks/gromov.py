"""Entropic Gromov-Wasserstein plans and the Gromov-Monge gap, ours beside POT (and OTT-JAX if installed), in one run.

    python benchmarks/gromov.py [--sizes 64 128 256 512 1024] [--repeats 5] [--epsilon 0.05] [--threads 1]

All solvers get the same costs, epsilon, product start and threads; each cell is the median time in milliseconds and the
objective that was found. The last columns are one training call of the gap, with its gradient.
"""

import argparse
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


def ott(cost_x: NDArray, cost_y: NDArray, epsilon: float) -> Callable[[], NDArray]:
    import jax
    import jax.numpy as jnp
    from ott.geometry import geometry
    from ott.problems.quadratic import quadratic_problem
    from ott.solvers.linear import sinkhorn
    from ott.solvers.quadratic import gromov_wasserstein

    # Its linear problem carries half of POT's gradient, so half of the epsilon means the same plan.
    solver = gromov_wasserstein.GromovWasserstein(linear_solver=sinkhorn.Sinkhorn(), epsilon=epsilon / 2)

    @jax.jit
    def plan(a: "jax.Array", b: "jax.Array") -> "jax.Array":
        geometries = [geometry.Geometry(cost_matrix=c) for c in (a, b)]
        return solver(quadratic_problem.QuadraticProblem(*geometries)).matrix

    x, y = jnp.asarray(cost_x), jnp.asarray(cost_y)
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


def row(n: int, repeats: int, epsilon: float, too_slow: set[str]) -> list[str]:
    x, y = points(n)
    cost_x, cost_y = (cost_matrix(z.double(), "cosine").numpy() for z in (x, y))
    solvers: dict[str, Callable[[], Callable[[], NDArray]]] = {
        "ours f32": lambda: ours(cost_x, cost_y, epsilon, np.float32),
        "ours f64": lambda: ours(cost_x, cost_y, epsilon, np.float64),
        "POT": lambda: pot(cost_x, cost_y, epsilon),
        "OTT-JAX": lambda: ott(cost_x.astype(np.float32), cost_y.astype(np.float32), epsilon),
    }
    cells = [str(n)]
    for name, prepare in solvers.items():
        if name == "OTT-JAX" and find_spec("ott") is None:
            cells.append("absent")
        elif name in too_slow:
            cells.append("skipped")
        else:
            taken, plan = timed(prepare(), repeats)
            cells.append(f"{taken:.1f} ({objective(cost_x, cost_y, plan):.4f})")
            # Twice the points: four to eight times the work.
            if 6e-3 * taken > PATIENCE_S:
                too_slow.add(name)
    taken, gap = timed(lambda: gap_call(x, y), repeats)
    return [*cells, f"{taken:.1f}", f"{gap:.4f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256, 512, 1024])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epsilon", type=float, default=0.05)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    threadpool_limits(arguments.threads)
    warnings.simplefilter("ignore")
    table = Table(title=f"cosine costs, epsilon {arguments.epsilon}: ms (objective found)")
    for column in ("n", "ours f32", "ours f64", "POT", "OTT-JAX", "gap, gradient", "gap"):
        table.add_column(column, justify="right")
    too_slow: set[str] = set()
    for n in arguments.sizes:
        table.add_row(*row(n, arguments.repeats, arguments.epsilon, too_slow))
    console = Console(width=120)
    console.print(table)
    if find_spec("ott") is None:
        console.print("OTT-JAX is skipped: ott is not installed")
    if too_slow:
        console.print(f"skipped: the size was expected to take more than {PATIENCE_S:.0f} s")


if __name__ == "__main__":
    main()
