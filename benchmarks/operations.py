"""What one training step asks of a machine, on paper: arithmetic, bytes and operations, and the least time they take.

    python benchmarks/operations.py [--channels 1] [--gflops 67000 --gbytes 4800]

Counted, not timed: floating-point operations of matrix products and convolutions by torch's formulas; bytes as the
sizes of all tensors that an operation reads and writes, none fused and none kept in a cache; operations that reach the
dispatcher and are no mere views, each a launch or more on a GPU. The last columns are the least milliseconds for either
at a machine's speeds in GFLOP/s and GB/s: those given, as of a data sheet, else what this one reaches in a large matrix
product and in copying (medians of 15).
"""

import argparse
import time
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from training import METHODS, step_of

STEPS = 3
"""The one that is counted is the last: Adam's first makes its state."""


class Counted(TorchDispatchMode):
    """Counts operations, the bytes of their tensors and, by torch's formulas, their arithmetic."""

    def __init__(self):
        super().__init__()
        self.operations = self.bytes = self.flops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.operations += 1
            if (formula := flop_registry.get(func.overloadpacket)) is not None:
                self.flops += formula(*args, **(kwargs or {}), out_val=found)
            tensors = [leaf for leaf in tree_leaves((args, kwargs, found)) if isinstance(leaf, torch.Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return found


def peaks() -> tuple[float, float]:
    """Return this machine's GFLOP/s in a matrix product and GB/s in a copy."""
    size = 2048
    matrix, large, target = torch.rand(size, size), torch.rand(1 << 26), torch.zeros(1 << 26)
    products, copies = [], []
    for _ in range(15):
        start = time.perf_counter()
        torch.mm(matrix, matrix)
        between = time.perf_counter()
        target.copy_(large)
        products.append(between - start)
        copies.append(time.perf_counter() - between)
    return 2 * size**3 / median(products) / 1e9, 2 * large.nbytes / median(copies) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--gflops", type=float)
    parser.add_argument("--gbytes", type=float)
    given = parser.parse_args()
    gflops, gbytes = (given.gflops, given.gbytes) if given.gflops and given.gbytes else peaks()
    title = f"64x64x{given.channels}, float32; {gflops:,.0f} GFLOP/s, {gbytes:,.0f} GB/s"
    table = Table(
        "step, batch 64", "GFLOP", "MB", "operations", "products, ms at least", "memory, ms at least", title=title
    )
    images = torch.rand(64, given.channels, 64, 64).to(memory_format=torch.channels_last)
    for name, (method, settings, _) in METHODS.items():
        if "float32" in name:
            continue
        step = step_of(method, settings, tuple(images.shape[1:]))
        for _ in range(STEPS - 1):
            step(images)
        with Counted() as counted:
            step(images)
        billions, gigabytes = counted.flops / 1e9, counted.bytes / 1e9
        least = f"{1e3 * billions / gflops:.2f}", f"{1e3 * gigabytes / gbytes:.2f}"
        table.add_row(name, f"{billions:.2f}", f"{1e3 * gigabytes:.0f}", str(counted.operations), *least)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
