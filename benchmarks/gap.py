"""How much of a batch's distortion the Gromov-Monge gap sees while a VAE trains, by the search for a better coupling.

    python benchmarks/gap.py [--datasets dsprites ...] [--method beta_tcvae] [--steps 0 500 2000] [--batches 4]

Each row is a data set, a number of steps and a side; each column the mean over batches of 64, in thousandths, of the
distortion, and of the gap: as it is trained with by default; with a sharper epsilon; at the entropic plan alone,
blurred; against exchanges of two points until none helps; and against POT's conditional gradient from the map. The gap
is the supremum over couplings, so of those bounded by 0 the largest is nearest to the truth.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import ot
import torch
from disent_datasets import DisentDataModule
from report import Report, arguments
from torch import Tensor

from disent_bench.config.resolve import resolve
from disent_bench.functional.costs import cost_matrix
from disent_bench.functional.gromov_wasserstein import distortion, gap_at_plan, gromov_monge_gap
from disent_bench.module import DisentModule
from disent_bench.runs.model import module_for


def exchanges(x: Tensor, y: Tensor) -> float:
    """Gap against the assignment in which no exchange of two images lowers the distortion."""
    cost_x, cost_y = (cost_matrix(z).double().numpy() for z in (x, y))
    n = len(x)
    order, kept, improved = np.arange(n), (cost_x * cost_y).sum(), True
    while improved:
        improved = False
        for i in range(n):
            for j in range(i):
                trial = order.copy()
                trial[i], trial[j] = order[j], order[i]
                value = (cost_x * cost_y[trial][:, trial]).sum()
                if value > kept + 1e-9:
                    order, kept, improved = trial, value, True
    plan = torch.zeros(n, n, dtype=torch.float64)
    plan[torch.arange(n), torch.from_numpy(order)] = 1 / n
    return gap_at_plan(cost_matrix(x).double(), cost_matrix(y).double(), plan).item()


def conditional_gradient(x: Tensor, y: Tensor) -> float:
    cost_x, cost_y = (cost_matrix(z).double() for z in (x, y))
    start = np.eye(len(x)) / len(x)
    plan = ot.gromov.gromov_wasserstein(cost_x.numpy(), cost_y.numpy(), G0=start, symmetric=True)
    return gap_at_plan(cost_x, cost_y, torch.from_numpy(plan)).item()


SEARCHES: dict[str, Callable[[Tensor, Tensor], float]] = {
    "distortion": lambda x, y: distortion(cost_matrix(x), cost_matrix(y)).item(),
    "default": lambda x, y: gromov_monge_gap(x, y).item(),
    "epsilon .001": lambda x, y: gromov_monge_gap(x, y, epsilon=0.001).item(),
    "product, .01": lambda x, y: gromov_monge_gap(x, y, init="product").item(),
    "product, .1": lambda x, y: gromov_monge_gap(x, y, epsilon=0.1, init="product").item(),
    "exchanges of two points": exchanges,
    "POT": conditional_gradient,
}


def look(report: Report, dataset: str, method: str, steps: list[int], batches: int, data_dir: Path | None) -> None:
    last = max(steps)
    data = DisentDataModule(dataset, seed=0, data_dir=data_dir, num_batches=last + batches)
    torch.manual_seed(0)
    module = module_for(resolve(method, dataset, "quick"), data.grid)
    assert isinstance(module, DisentModule), "the gap is measured for methods that are sums of terms"
    optimizers = module.configure_optimizers()
    loader = iter(data.train_dataloader())
    held = [data.on_after_batch_transfer(next(loader), 0).images for _ in range(batches)]
    for step in range(last + 1):
        if step in steps:
            with torch.no_grad():
                passes = [module.run_pass(images) for images in held]
                points = {
                    "decoder": [(p.z, torch.sigmoid(p.logits).flatten(1)) for p in passes],
                    "encoder": [(p.x.flatten(1), p.z) for p in passes],
                }
            for side, pairs in points.items():
                values = [1e3 * np.mean([search(*pair) for pair in pairs]) for search in SEARCHES.values()]
                report.row("searches", dataset, step, side, *(f"{value:.2f}" for value in values))
        if step < last:
            module.play(module.run_pass(data.on_after_batch_transfer(next(loader), 0).images), optimizers)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--datasets", nargs="+", default=["dsprites", "shapes3d_lookalike"])
    parser.add_argument("--method", default="beta_tcvae")
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 500, 2000])
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    if given.smallest:
        given.datasets, given.steps, given.batches = ["toy_grid"], [0, 2], 1
    report = Report(__file__, given, "torch", "pot")
    report.table("searches", "data set", f"steps of {given.method}", "side", *SEARCHES)
    for dataset in given.datasets:
        look(report, dataset, given.method, given.steps, given.batches, given.data_dir)
    report.close()


if __name__ == "__main__":
    main()
