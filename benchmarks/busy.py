"""A training step beside other processes: busy loops, and a second training.

    python benchmarks/busy.py [--methods beta_tcvae topdis] [--loops 0 1 2 3] [--seconds 5] [--turns 3] [--threads N]

Each number is a process of its own, which trains for so many seconds once it has warmed up; the table holds medians of
the turns, in milliseconds a step. Batches of 64 images of 64x64x1, network roth2023.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from report import Report, Spread, arguments

CHILD = """
import disent_bench  # before torch, as the command line does
import sys, time, torch
from disent_datasets import load
from disent_bench.config.resolve import resolve
from disent_bench.runs.model import build_module

method, seconds = sys.argv[1], float(sys.argv[2])
plain = resolve(method, "toy_grid", "quick")
starts = {f"terms.{name}.start": 0 for name, term in plain.terms.items() if term["start"]}
module = build_module(resolve(method, "toy_grid", "quick", overrides=starts), (1, 64, 64), 100_000)
optimizers = module.configure_optimizers()
grid = load("toy_grid")
images = torch.from_numpy(grid.images(torch.arange(64).numpy() % len(grid))).permute(0, 3, 1, 2).float()
steps, start = -20, 0.0
while steps < 1 or time.perf_counter() - start < seconds:
    if steps == 0:
        start = time.perf_counter()
    module.play(module.run_pass(images), optimizers)
    steps += 1
print(1e3 * (time.perf_counter() - start) / steps)
"""


def training(method: str, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, method, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def milliseconds(process: subprocess.Popen[str]) -> float:
    said, _ = process.communicate()
    return float(said)


@contextmanager
def beside(loops: int) -> Iterator[None]:
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in running:
            process.kill()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--methods", nargs="+", default=["beta_tcvae", "topdis"])
    parser.add_argument("--loops", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, help="as OMP_NUM_THREADS; else as many as there are cores")
    given = parser.parse_args()
    if given.threads:
        os.environ["OMP_NUM_THREADS"] = str(given.threads)
    if given.smallest:
        given.methods, given.loops, given.seconds, given.turns = ["beta_tcvae"], [0, 1], 0.1, 1
    report = Report(__file__, given, "torch")
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(given.turns):
        for method in given.methods:
            for loops in given.loops:
                with beside(loops):
                    taken = milliseconds(training(method, given.seconds))
                found.setdefault((method, f"{loops} busy loops"), []).append(taken)
            both = [training(method, given.seconds) for _ in range(2)]
            found.setdefault((method, "another training"), []).extend(milliseconds(each) for each in both)
    report.table("busy", "method", "beside", "ms a step", "times alone")
    for (method, where), values in found.items():
        alone = median(found[method, f"{given.loops[0]} busy loops"])
        report.row("busy", method, where, Spread.of(values), median(values) / alone)
    report.close()


if __name__ == "__main__":
    main()
