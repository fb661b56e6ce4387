"""One training step of each method, beside a plain float32 step and in ratio to its base, in one run.

    python benchmarks/training.py [--steps 60] [--channels 1]

Steps of all rows are taken in turn, so that a drift of the machine hits all alike; times are medians in milliseconds,
ratios medians of step-by-step ratios. The plain step is what papers' code does: float32, contiguous, nothing fused.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from disent_datasets import load
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from disent_bench.config.resolve import resolve
from disent_bench.module import DisentModule
from disent_bench.nets import build_network

WARM_UP = 30
METHODS: dict[str, tuple[str, dict[str, object], str]] = {
    "beta_vae": ("beta_vae", {}, "plain"),
    "beta_vae, float32": ("beta_vae", {"precision": "32"}, "plain"),
    "beta_tcvae": ("beta_tcvae", {}, "beta_vae"),
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


def step_of(method: str, settings: dict[str, object], shape: tuple[int, int, int]) -> Callable[[Tensor], None]:
    config = resolve(method, "toy_grid", "quick", overrides=settings)
    torch.manual_seed(0)
    module = DisentModule(config.model().objective, shape, 100_000, config.settings.training)
    optimizers = module.configure_optimizers()

    def step(images: Tensor) -> None:
        module.play(module.run_pass(images), optimizers)

    return step


def plain_step(shape: tuple[int, int, int]) -> Callable[[Tensor], None]:
    torch.manual_seed(0)
    encoder, decoder = (
        network.to(memory_format=torch.contiguous_format) for network in build_network("roth2023", shape)
    )
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3, foreach=False)

    def step(images: Tensor) -> None:
        images = images.contiguous()
        mean, logvar = encoder(images).chunk(2, dim=1)
        logits = decoder(mean + torch.exp(logvar / 2) * torch.randn_like(mean))
        error = nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="sum") / len(images)
        loss = error + 4.0 * 0.5 * (mean**2 + logvar.exp() - logvar - 1).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--channels", type=int, default=1)
    given = parser.parse_args()
    grid = load("toy_grid")
    rng = np.random.default_rng(0)
    batches = [
        torch.from_numpy(grid.images(rng.integers(len(grid), size=64))).permute(0, 3, 1, 2).float() for _ in range(16)
    ]
    batches = [b.expand(-1, given.channels, -1, -1).to(memory_format=torch.channels_last) for b in batches]
    shape = (given.channels, 64, 64)
    steps = {"plain": plain_step(shape)}
    steps |= {name: step_of(method, settings, shape) for name, (method, settings, _) in METHODS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(WARM_UP + given.steps):
        for name, step in steps.items():
            start = time.perf_counter()
            step(batches[turn % len(batches)])
            if turn >= WARM_UP:
                seconds[name].append(time.perf_counter() - start)
    table = Table(
        "step, batch 64", "ms", "over", "ratio", title=f"{torch.get_num_threads()} threads, 64x64x{given.channels}"
    )
    for name, values in seconds.items():
        peer = METHODS[name][2] if name in METHODS else name
        ratio = np.median(np.array(values) / np.array(seconds[peer]))
        table.add_row(name, f"{1e3 * np.median(values):.1f}", peer, f"{ratio:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
