"""Barcodes and loss of TopDis, ours beside gudhi, ripser.py and giotto-ph on the doubled graph, in one run.

    python benchmarks/rtd.py [--sizes 32 64 128 256] [--repeats 5]

The peers get the doubled matrix of the min form; all bars are checked to agree. One barcode is of one pair of clouds,
the loss is of four barcodes, forward and backward.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from report import Cell, Report, arguments, milliseconds

from disent_bench.functional.distances import euclidean_distances, scale_by_quantile
from disent_bench.functional.rtd import cross_barcode, rtd_loss

PATIENCE_S = 40.0


def gudhi_bars(matrix: NDArray) -> NDArray:
    import gudhi

    tree = gudhi.SimplexTree.create_from_array(matrix)
    tree.expansion(2)
    tree.compute_persistence()
    bars: NDArray = tree.persistence_intervals_in_dimension(1)
    return bars


def ripser_bars(matrix: NDArray) -> NDArray:
    from ripser import ripser

    bars: NDArray = ripser(matrix, distance_matrix=True, maxdim=1)["dgms"][1]
    return bars


def giotto_bars(matrix: NDArray) -> NDArray:
    from gph import ripser_parallel

    bars: NDArray = ripser_parallel(matrix, metric="precomputed", maxdim=1, n_threads=2)["dgms"][1]
    return bars


PEERS: dict[str, tuple[str, Callable[[NDArray], NDArray]]] = {
    "gudhi": ("gudhi", gudhi_bars),
    "ripser.py": ("ripser", ripser_bars),
    "giotto-ph": ("gph", giotto_bars),
}


def matrices(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances of two noisy copies of one cloud in 10 dimensions, as decoded shifts are."""
    generator = torch.Generator().manual_seed(n)
    x = torch.randn(n, 10, generator=generator)
    y = x + 0.5 * torch.randn(n, 10, generator=generator)
    return scale_by_quantile(euclidean_distances(x)), scale_by_quantile(euclidean_distances(y))


def total_length(bars: NDArray) -> float:
    return float(np.sum(bars[:, 1] - bars[:, 0]))


def loss_and_gradient(a: torch.Tensor, b: torch.Tensor) -> None:
    rtd_loss(a.requires_grad_(), b.requires_grad_(), max_bars=50).backward()


def row(n: int, repeats: int, too_slow: set[str]) -> list[Cell]:
    a, b = matrices(n)
    first, second = a.numpy(), b.numpy()
    doubled = np.block([[np.zeros_like(first), first], [first, np.minimum(first, second)]])
    expected = total_length(cross_barcode(first, second))
    ours = milliseconds(lambda: cross_barcode(first, second), 4 * repeats)
    cells: list[Cell] = [n, ours]
    for name, (package, bars) in PEERS.items():
        if find_spec(package) is None:
            cells.append("not installed")
        elif name in too_slow:
            cells.append("skipped")
        else:
            start = time.perf_counter()
            if not np.isclose(total_length(bars(doubled)), expected, rtol=1e-4):
                raise SystemExit(f"{name} finds other bars at n = {n}")
            once = time.perf_counter() - start
            peer = milliseconds(lambda bars=bars: bars(doubled), repeats)
            cells.append(peer)
            # Triangles of the doubled graph grow eightfold with the next size, memory with them.
            if 8 * once > PATIENCE_S:
                too_slow.add(name)
    loss_and_gradient(a, b)
    cells.append(milliseconds(lambda: loss_and_gradient(a.detach(), b.detach()), 4 * repeats))
    return cells


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    sizes, repeats = ([16], 1) if given.smallest else (given.sizes, given.repeats)
    report = Report(__file__, given, "torch", "gudhi", "ripser", "giotto-ph")
    report.table("milliseconds", "n", "ours, one barcode", *PEERS, "our loss, forward and backward")
    loss_and_gradient(*matrices(32))
    too_slow: set[str] = set()
    for n in sizes:
        report.row("milliseconds", *row(n, repeats, too_slow))
    report.close()


if __name__ == "__main__":
    main()
