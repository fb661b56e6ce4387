"""One training step of each method, beside plain torch and disent, and in ratio to its base, in one run.

    python benchmarks/training.py [--turns 15] [--channels 1 3]

A few steps of each row are taken in turn, so that a drift of the machine hits all alike; ratios are medians of those
within a turn. Other codes take theirs in a process of their own (`peers.py`), as people run them: what `import
disent_bench` sets for torch's threads and for freed memory would be theirs too. disent is installed with `--no-deps`.
"""

import disent_bench  # noqa: F401 (before torch: it says how torch's threads wait)

# isort: split
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from disent_datasets import load
from peers import PEERS, burst
from report import Report, Spread, arguments
from torch import Tensor

from disent_bench.config.resolve import resolve
from disent_bench.module import DisentModule, resolve_precision

WARM_UP = 3
REST_S = 0.05
"""Between steps: threads of the other process spin for some milliseconds after its step."""
METHODS: dict[str, tuple[str, dict[str, object], str]] = {
    "beta_vae": ("beta_vae", {}, ""),
    "beta_vae, bfloat16": ("beta_vae", {"precision": "bf16"}, "beta_vae"),
    "beta_tcvae": ("beta_tcvae", {}, "beta_vae"),
    "factor_vae": ("factor_vae", {}, "beta_vae"),
    "topdis": ("topdis", {"methods.topdis.delay": 0}, "beta_tcvae"),
    "topdis, no projection": (
        "topdis",
        {"methods.topdis.delay": 0, "methods.topdis.orthogonalize": False},
        "beta_tcvae",
    ),
    "gmg, decoder": ("gmg", {}, "beta_tcvae"),
    "gmg, encoder": ("gmg", {"methods.gmg.side": "encoder"}, "beta_tcvae"),
    "dst, decoder": ("dst", {}, "beta_tcvae"),
    "jacobian": ("jacobian", {}, "beta_tcvae"),
    "hfs": ("hfs", {}, "beta_vae"),
}
Burst = Callable[[Tensor], list[float]]
"""Takes some steps and returns the seconds of each."""


def module_of(method: str, settings: dict[str, object], shape: tuple[int, int, int]) -> DisentModule:
    config = resolve(method, "toy_grid", "quick", overrides=settings)
    torch.manual_seed(0)
    return DisentModule(config.model().objective, shape, 100_000, config.settings.training)


def step_of(module: DisentModule) -> Callable[[Tensor], None]:
    optimizers = module.configure_optimizers()

    def step(images: Tensor) -> None:
        second = images.flip(0) if "second" in module.needs else None
        module.play(module.run_pass(images, second), optimizers)

    return step


def asked(process: "subprocess.Popen[str]", name: str) -> Burst:
    assert process.stdin is not None
    assert process.stdout is not None
    to, answers = process.stdin, process.stdout

    def take(images: Tensor) -> list[float]:
        print(name, file=to, flush=True)
        return [float(word) for word in answers.readline().split()]

    return take


def compare(report: Report, channels: int, count: int, warm_up: int) -> None:
    grid, rng = load("toy_grid"), np.random.default_rng(0)
    batches = [
        torch.from_numpy(grid.images(rng.integers(len(grid), size=64))).permute(0, 3, 1, 2).float() for _ in range(16)
    ]
    batches = [b.expand(-1, channels, -1, -1).to(memory_format=torch.channels_last) for b in batches]
    command = [sys.executable, str(Path(__file__).with_name("peers.py")), str(channels)]
    plain = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain) as peers:
        assert peers.stdout is not None
        steps = {name: asked(peers, name) for name in peers.stdout.readline().strip().split(",")}
        for name, (method, settings, _) in METHODS.items():
            if settings.get("precision") in (None, resolve_precision("auto")):
                steps[name] = partial(burst, step_of(module_of(method, settings, (channels, 64, 64))))
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(warm_up + count):
            for name, step in steps.items():
                time.sleep(REST_S)
                taken = step(batches[turn % len(batches)])
                if turn >= warm_up:
                    seconds[name] += taken
        peers.stdin.close()
    blocks = {name: np.median(np.reshape(values, (count, -1)), axis=1) for name, values in seconds.items()}
    name = f"64x64x{channels}"
    report.table(name, f"step, {name}", "ms", "its base", "over that", *(f"over {peer}" for peer in PEERS))
    for each, values in seconds.items():
        base = METHODS[each][2] if each in METHODS else ""
        ratios = [Spread.of(blocks[each] / blocks[peer]) if peer in blocks else None for peer in (base, *PEERS)]
        report.row(name, each, Spread.of(values).times(1e3), base, *ratios)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 3])
    given = parser.parse_args()
    report = Report(__file__, given, "torch", "disent")
    for channels in given.channels[:1] if given.smallest else given.channels:
        compare(report, channels, *((2, 1) if given.smallest else (given.turns, WARM_UP)))
    report.close()


if __name__ == "__main__":
    main()
