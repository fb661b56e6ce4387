"""What one GPU does: a step as it is taken and replayed from a CUDA graph, the loop around it, a barcode, a coupling.

    python benchmarks/gpu.py [--budget 300] [--out gpu.json]

Each row is the median over blocks of steps between two synchronisations, in milliseconds a step, or steps a second of
whole runs. Rows that do not fit the budget (seconds) are left out, and said so. Without a GPU it runs in a small form.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from disent_datasets import load
from torch import Tensor

from disent_bench.capture import Capture
from disent_bench.config.resolve import resolve
from disent_bench.functional.gromov_wasserstein import gromov_monge_gap
from disent_bench.functional.rtd import rtd_loss
from disent_bench.module import DisentModule
from disent_bench.runs.model import build_module
from disent_bench.runs.result import Result
from disent_bench.runs.train import run

GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")
BLOCKS, BLOCK = (9, 20) if GPU else (3, 2)
METHODS = ["beta_vae", "beta_tcvae", "topdis", "gmg", "dst", "jacobian", "hfs"]
SHAPES = {"64x64x1": (1, 64, 64), "64x64x3": (3, 64, 64)}


def milliseconds(step: Callable[[], Any], warm_up: int = 10) -> float:
    for _ in range(warm_up if GPU else 1):
        step()
    times = []
    for _ in range(BLOCKS):
        wait()
        start = time.perf_counter()
        for _ in range(BLOCK):
            step()
        wait()
        times.append((time.perf_counter() - start) / BLOCK * 1e3)
    return sorted(times)[len(times) // 2]


def wait() -> None:
    if GPU:
        torch.cuda.synchronize()


def steps(method: str, shape: tuple[int, int, int], precision: str, network: str) -> dict[str, float]:
    overrides = {"precision": precision, "network": network}
    plain = resolve(method, "toy_grid", "quick", overrides=overrides)
    starts = {f"terms.{name}.start": 0 for name in plain.terms}
    config = resolve(method, "toy_grid", "quick", overrides=overrides | starts)

    def one(replayed: bool) -> tuple[float, Capture]:
        torch.manual_seed(0)
        module: DisentModule = build_module(config, shape, 737_280).to(DEVICE)
        optimizers, capture = module.configure_optimizers(), Capture(lambda line: None)
        images = torch.rand(2, 64, *shape, device=DEVICE).round()
        batches: list[Tensor] = [each.to(memory_format=torch.channels_last) for each in images]
        second = batches[1] if {"second", "pair"} & module.needs else None
        if replayed:
            found = milliseconds(lambda: capture.step(module, batches[0], second, optimizers))
        else:
            found = milliseconds(lambda: module.play(module.run_pass(batches[0], second), optimizers))
        assert all(torch.isfinite(value).all() for value in module.parameters())
        return found, capture

    taken, (replayed, capture) = one(False)[0], one(True)
    return {"step": taken} | ({"replayed": replayed} if capture.replayed else {})


def loop(method: str, length: int) -> dict[str, float]:
    """Steps a second of a whole run, Lightning's loop and the batches included."""
    overrides = {
        "steps": length,
        "evaluate_every": 0,
        "scores.scores": ["mig"],
        "scores.num_train": 1000,
        "scores.num_test": 500,
    }
    config = resolve(method, "toy_grid", "quick", overrides=overrides)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        load("toy_grid", data_dir=data)
        outcome = run(config, 0, runs=Path(folder), data_dir=data, say=lambda line: None, loggers=())
        assert outcome.status == "done", outcome.reason
        return {"steps_per_second": Result.read(outcome.folder / "result.json").training["steps_per_second"]}


def parts() -> dict[str, float]:
    """One value and its gradient, of what the two papers add."""
    points = torch.randn(2, 64, 64, device=DEVICE)
    clouds = torch.randn(2, 64, 10, device=DEVICE)

    def barcode() -> None:
        a, b = (torch.cdist(each, each) for each in points.clone().requires_grad_())
        rtd_loss(a, b).backward()

    def gap() -> None:
        x, y = clouds.clone().requires_grad_()
        gromov_monge_gap(x, y).backward()

    return {"rtd_loss": milliseconds(barcode), "gromov_monge_gap": milliseconds(gap)}


def rows() -> Iterator[tuple[str, Callable[[], dict[str, float]]]]:
    for method in METHODS if GPU else METHODS[:2]:
        yield f"{method}, roth2023, float32, 64x64x1", lambda m=method: steps(m, SHAPES["64x64x1"], "32", "roth2023")
    if GPU:
        for method in ("beta_vae", "beta_tcvae", "topdis"):
            for shape in SHAPES:
                yield (
                    f"{method}, locatello2019, bfloat16, {shape}",
                    lambda m=method, s=shape: steps(m, SHAPES[s], "bf16", "locatello2019"),
                )
    yield "parts, 64 points", parts
    for method in ("beta_vae", "beta_tcvae", "topdis"):
        yield f"whole run, {method}", lambda m=method: loop(m, 1500 if GPU else 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=300.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {
        "machine": torch.cuda.get_device_name() if GPU else "cpu",
        "torch": torch.__version__,
        "rows": {},
    }
    start = time.monotonic()
    for name, measure in rows():
        if time.monotonic() - start > options.budget:
            print(f"{name}: left out, no time", flush=True)
            continue
        try:
            row: dict[str, Any] = measure()
        except Exception as error:
            row = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        found["rows"][name] = row
        said = ", ".join(
            f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
        )
        print(f"{time.monotonic() - start:5.0f} s  {name}: {said}", flush=True)
        if options.out:
            options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
