"""How long people wait for the first sign: help, lists, and the first training step of a run.

    python benchmarks/start.py [--repeats 5]

Each is a process of its own. A run's first step is seen by its checkpoint, which is written after it. The first start
draws dSprites and scores the untrained network; the next ones go on from what the one before left when it was killed.
"""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from report import Report, Spread, arguments, seconds_each

COMMAND = [sys.executable, "-m", "disent_bench"]
WORDS = {"--help": ["--help"], "list methods": ["list", "methods"], "import disent_bench": []}


def until_first_step(runs: Path, dataset: str) -> float:
    """Start a run, wait until it has gone a step, kill it, and return the seconds."""
    settings = ["checkpoint_every=1", "steps=1000000"]
    words = ["run", "--method", "beta_vae", "--dataset", dataset, "--runs", str(runs), "--set", *settings]
    environment = {**os.environ, "DISENT_DATA": str(runs / "data")}
    before = {path: path.stat().st_mtime_ns for path in runs.glob("*/*/*/*/*/last.ckpt")}
    start = time.perf_counter()
    with subprocess.Popen([*COMMAND, *words], stderr=subprocess.DEVNULL, env=environment) as process:
        while not any(path.stat().st_mtime_ns != before.get(path) for path in runs.glob("*/*/*/*/*/last.ckpt")):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(words)} ended with status {process.returncode}")
            time.sleep(0.02)
        taken = time.perf_counter() - start
        process.kill()
    return taken


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    repeats, dataset = (1, "toy_grid") if given.smallest else (given.repeats, "dsprites")
    report = Report(__file__, given, "torch", "lightning")
    report.table("seconds", "what", "seconds")
    for name, words in WORDS.items():
        command = [*COMMAND, *words] if words else [sys.executable, "-c", name]
        work = partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
        work()
        report.row("seconds", name, Spread.of(seconds_each(work, repeats)))
    with tempfile.TemporaryDirectory() as folder:
        first = until_first_step(Path(folder), dataset)
        report.row("seconds", f"run on {dataset}, first start, to its first step", first)
        again = [until_first_step(Path(folder), dataset) for _ in range(repeats)]
        report.row("seconds", "the same command again", Spread.of(again))
    report.close()


if __name__ == "__main__":
    main()
