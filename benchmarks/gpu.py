"""What one GPU does: a step as it is taken and replayed from a CUDA graph, the loop around it, a barcode, a coupling.

    python benchmarks/gpu.py --budget 20m --json gpu.json

Tests of what only a GPU can show come first. Each row of steps is of blocks of steps between two synchronisations, in
milliseconds a step; whole runs are measured in steps a second, alone and packed. What does not fit the budget is left
out, and the same command goes on with it. Without a GPU only --smallest runs, on the CPU.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from disent_datasets import load
from peers import plain_torch
from report import Cell, Report, Spread, arguments
from torch import Tensor

from disent_bench.capture import Capture
from disent_bench.config.resolve import resolve
from disent_bench.config.run import RunConfig
from disent_bench.functional.gromov_wasserstein import gromov_monge_gap
from disent_bench.functional.rtd import rtd_loss
from disent_bench.module import DisentModule
from disent_bench.runs.callbacks.checkpoint import read_checkpoint
from disent_bench.runs.exact import full_float32
from disent_bench.runs.model import build_module
from disent_bench.runs.pace import seconds_of
from disent_bench.runs.quiet import quiet_lightning
from disent_bench.runs.result import Result
from disent_bench.runs.stop import StopOfThread
from disent_bench.runs.train import lay_out, run, run_folder
from disent_bench.runs.turns import Turns

ROOT = Path(__file__).parents[1]
CHECKS = ["tests/contracts/test_capture.py", "tests/functional/test_mirror_descent_triton.py"]
GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")
BLOCKS, BLOCK = (9, 20) if GPU else (3, 2)
METHODS = ["beta_vae", "beta_tcvae", "topdis", "gmg", "dst", "jacobian", "hfs"]
SHAPES = {"64x64x1": (1, 64, 64), "64x64x3": (3, 64, 64)}


def milliseconds(step: Callable[[], Any], warm_up: int = 10) -> Spread:
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
    return Spread.of(times)


def wait() -> None:
    if GPU:
        torch.cuda.synchronize()


@full_float32()  # as in a run; torch's own default is TF32 in convolutions
def steps(method: str, shape: tuple[int, int, int], precision: str, network: str) -> list[Cell]:
    config = from_the_first_step(method, {"precision": precision, "network": network})

    def one(replayed: bool) -> tuple[Spread, Capture]:
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
    if not capture.replayed:
        return [taken, "on the host", None]
    return [taken, replayed, taken.median / replayed.median]


def loop(method: str, length: int) -> list[Cell]:
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
        return [float(Result.read(outcome.folder / "result.json").training["steps_per_second"])]


def from_the_first_step(method: str, overrides: dict[str, Any]) -> RunConfig:
    """Return a configuration in which no term waits."""
    plain = resolve(method, "toy_grid", "quick", overrides=overrides)
    starts = {f"terms.{name}.start": 0 for name in plain.terms}
    return resolve(method, "toy_grid", "quick", overrides=overrides | starts)


def packed(method: str, count: int, length: int) -> list[Cell]:
    """Steps a second of several seeds in one process; how far the first one's weights are from it alone."""
    overrides = {"steps": length, "evaluate_every": 0, "log_every": min(50, length // 2)}
    config = from_the_first_step(method, overrides)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grid = load("toy_grid", data_dir=folder / "data")

        def train(path: Path, turns: Turns) -> None:
            with turns.within():
                settings = {"data_dir": folder / "data", "say": lambda line: None, "stop": StopOfThread()}
                outcome = run_folder(path, **settings)
            assert outcome.status == "trained", outcome.reason

        def trained(where: str, seeds: int) -> tuple[float, dict[str, Tensor]]:
            turns = Turns(seeds)
            paths = [lay_out(config, seed, grid, folder / where)[1].path for seed in range(seeds)]
            start = time.perf_counter()
            with ThreadPoolExecutor(seeds) as threads:
                for done in [threads.submit(train, path, turns) for path in paths]:
                    done.result()
            seconds = time.perf_counter() - start
            return seconds, read_checkpoint(paths[0] / "last.ckpt")["state_dict"]

        def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
            weights = [name for name, value in one.items() if isinstance(value, Tensor)]
            return max(float((one[name] - other[name]).abs().max()) for name in weights)

        with full_float32(), quiet_lightning():
            alone, again, (seconds, together) = trained("a", 1)[1], trained("b", 1)[1], trained("c", count)
    return [count * length / seconds, apart(alone, again), apart(alone, together)]


def barcode() -> list[Cell]:
    points = torch.randn(2, 64, 64, device=DEVICE)

    def work() -> None:
        a, b = (torch.cdist(each, each) for each in points.clone().requires_grad_())
        rtd_loss(a, b).backward()

    return [milliseconds(work)]


def gap() -> list[Cell]:
    clouds = torch.randn(2, 64, 10, device=DEVICE)

    def work() -> None:
        x, y = clouds.clone().requires_grad_()
        gromov_monge_gap(x, y).backward()

    return [milliseconds(work)]


def tested(file: str) -> list[Cell]:
    """Run the tests of a file, and return the line that counts them."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(ROOT / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]
    if done.returncode:
        raise RuntimeError(last)
    return [last]


@full_float32()
def plain(shape: tuple[int, int, int]) -> list[Cell]:
    """A step of beta-VAE with the networks of roth2023 as papers' code has it, and compiled; float32, not TF32."""
    images = torch.rand(64, *shape, device=DEVICE).round()
    with torch.device(DEVICE):
        taken = plain_torch(shape)
        compiled, replayed = (torch.compile(plain_torch(shape), mode=mode) for mode in ("default", "reduce-overhead"))
    return [milliseconds(partial(step, images)) for step in (taken, compiled, replayed)]


COLUMNS = {
    "checks": ("tests", "found"),
    "steps": ("step, ms", "taken", "replayed from a CUDA graph", "times"),
    "plain": ("step of plain torch, ms", "taken", "compiled", "compiled, with CUDA graphs"),
    "parts": ("64 points, with the gradient", "ms"),
    "runs": ("whole run of quick on toy_grid", "steps/s"),
    "packed": ("seeds in one process", "steps/s", "alone, twice: weights apart", "alone and packed"),
}


def rows(smallest: bool) -> Iterator[tuple[str, str, Callable[[], list[Cell]]]]:
    """Yield a table's name, a row's, and what measures the rest of it."""
    for file in CHECKS[:1] if smallest else CHECKS:
        yield "checks", file, partial(tested, file)
    for method in METHODS[:2] if smallest else METHODS:
        settings = (SHAPES["64x64x1"], "32", "roth2023")
        yield "steps", f"{method}, roth2023, float32, 64x64x1", partial(steps, method, *settings)
    if not smallest:
        settings = (SHAPES["64x64x1"], "tf32", "roth2023")
        yield "steps", "beta_vae, roth2023, TF32, 64x64x1", partial(steps, "beta_vae", *settings)
        for name, shape in SHAPES.items():
            yield "plain", name, partial(plain, shape)
        for method in ("beta_vae", "beta_tcvae", "topdis"):
            for name, shape in SHAPES.items():
                settings = (shape, "bf16", "locatello2019")
                yield "steps", f"{method}, locatello2019, bfloat16, {name}", partial(steps, method, *settings)
    yield "parts", "loss of TopDis", barcode
    yield "parts", "Gromov-Monge gap", gap
    for method in ("beta_vae", "beta_tcvae", "topdis"):
        yield "runs", method, partial(loop, method, 20 if smallest else 1500)
    packs = [("beta_vae", 1, 5000), ("beta_vae", 4, 5000), ("beta_vae", 16, 5000), ("topdis", 4, 1000)]
    for method, count, length in [("topdis", 2, 8)] if smallest else packs:
        yield "packed", f"{count} of {method}", partial(packed, method, count, length)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--budget", default="20m", metavar="TIME", help="such as 90s or 20m")
    given = parser.parse_args()
    try:
        budget = seconds_of(given.budget)
    except ValueError as error:
        parser.error(str(error))
    if not GPU and not given.smallest:
        sys.exit("there is no GPU here: nothing is measured (--smallest runs the smallest form on the CPU)")
    report = Report(__file__, given, "torch", "triton", machine=torch.cuda.get_device_name() if GPU else None)
    report.resume()
    end, failed = time.monotonic() + budget, False
    for table, name, measure in rows(given.smallest):
        report.table(table, *COLUMNS[table])
        if name in (row[0] for row in report.tables[table]["rows"]):
            continue
        if time.monotonic() > end:
            print(f"{name}: left out, the budget is spent", file=sys.stderr, flush=True)
            continue
        try:
            cells = measure()
        except Exception as error:  # the other rows are worth having; the same command tries this one again
            failed = True
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        report.row(table, name, *cells)
        report.keep()
    report.close()
    sys.exit(failed)


if __name__ == "__main__":
    main()
