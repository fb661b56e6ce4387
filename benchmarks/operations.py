"""What one training step asks of a machine, on paper: arithmetic, bytes and operations, and the least time they take.

    python benchmarks/operations.py [--channels 1] [--gflops 67000 --gbytes 4800]

Counted, not timed: floating-point operations of matrix products and convolutions by torch's formulas; bytes as the
sizes of all tensors that an operation reads and writes, none fused and none kept in a cache; operations that reach the
dispatcher and are no mere views, each a launch or more on a GPU. The last columns are the least milliseconds for either
at a machine's speeds in GFLOP/s and GB/s: those given, as of a data sheet, else what this one reaches in a large matrix
product and in copying (medians of 15).
"""

from statistics import median

import torch
from report import Report, arguments, seconds_each
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from training import METHODS, module_of, step_of

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
    product = median(seconds_each(lambda: torch.mm(matrix, matrix), 15))
    copy = median(seconds_each(lambda: target.copy_(large), 15))
    return 2 * size**3 / product / 1e9, 2 * large.nbytes / copy / 1e9


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--gflops", type=float)
    parser.add_argument("--gbytes", type=float)
    given = parser.parse_args()
    report = Report(__file__, given, "torch")
    gflops, gbytes = (given.gflops, given.gbytes) if given.gflops and given.gbytes else peaks()
    report.table("speeds", "GFLOP/s in a product", "GB/s in a copy")
    report.row("speeds", gflops, gbytes)
    columns = ("GFLOP", "MB", "operations", "products, ms at least", "memory, ms at least")
    report.table("steps", f"step, batch 64, 64x64x{given.channels}, float32", *columns)
    images = torch.rand(64, given.channels, 64, 64).to(memory_format=torch.channels_last)
    for name, (method, settings, _) in METHODS.items():
        if "precision" in settings:
            continue
        module = module_of(method, settings, tuple(images.shape[1:]))
        for each in module.modules():
            each.per_image = False  # what threads do to parts of a batch is not counted
        step = step_of(module)
        for _ in range(STEPS - 1):
            step(images)
        with Counted() as counted:
            step(images)
        billions, megabytes = counted.flops / 1e9, counted.bytes / 1e6
        least = 1e3 * billions / gflops, megabytes / gbytes
        report.row("steps", name, billions, megabytes, counted.operations, *least)
        if given.smallest:
            break
    report.close()


if __name__ == "__main__":
    main()
