"""The page of a folder of 10,000 runs: seconds and memory until it is written.

python benchmarks/leaderboard.py
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from report import Report, Spread, arguments, seconds_each

from disent_bench.runs.folder import RunFolder, RunKey
from disent_bench.runs.result import Result, Scoring

ROWS, SEEDS, REPEATS = 2000, 5, 3
SCORES = ("mig", "dci_disentanglement", "dci_completeness", "dci_informativeness_test", "sap", "factor_vae_eval")
METHODS = ("vae", "beta_vae", "beta_tcvae", "factor_vae", "topdis", "gmg")


def write_runs(runs: Path, rows: int) -> None:
    """Rows of six methods with many settings on two data sets, five seeds each, with the log of a quick run."""
    rng = np.random.default_rng(0)
    lines = [{"step": step, "loss": 90 - step / 50, "raw/kl": step / 400} for step in range(0, 4001, 50)]
    log = "".join(f"{json.dumps(line)}\n" for line in lines)
    for row in range(rows):
        method, dataset = METHODS[row % len(METHODS)], ("dsprites", "shapes3d_lookalike")[row % 2]
        parts = ["beta_tcvae", method] if method in ("topdis", "gmg") else [method]
        config = {"methods": {part: {"beta": row} for part in parts}, "terms": {part: {} for part in parts}}
        for seed in range(SEEDS):
            run = RunFolder(RunKey("quick", dataset, method, f"{row:012x}", seed).folder(runs))
            run.path.mkdir(parents=True)
            run.metrics.write_text(log)
            scores = dict(zip(SCORES, rng.uniform(0, 1, len(SCORES)).tolist(), strict=True))
            source = "drawn" if row % 2 == 0 else "rendered"
            identity = (
                "quick",
                dataset,
                source,
                method,
                f"{row:012x}",
                seed,
                "",
                {"beta": row},
                Scoring("quick", 2, "a"),
            )
            Result(*identity, scores, {}, dict.fromkeys(SCORES, 0.01), config=config).write(run.result)


def main() -> None:
    """Measure the command, and the memory of the largest process."""
    given = arguments(__doc__).parse_args()
    rows, repeats = (10, 1) if given.smallest else (ROWS, REPEATS)
    report = Report(__file__, given, "numpy", "jinja2")
    report.table("page", "what is written", "runs", "seconds", "MB", "memory of the process, MB at most")
    with tempfile.TemporaryDirectory() as folder:
        runs, page = Path(folder) / "runs", Path(folder) / "leaderboard.html"
        write_runs(runs, rows)
        words = [sys.executable, "-m", "disent_bench", "leaderboard", "--runs", str(runs), "--format"]
        for format, output in (("json", Path(folder) / "leaderboard.json"), ("html", page)):
            command = [*words, format, "--output", str(output)]
            work = partial(subprocess.run, command, check=True, stderr=subprocess.DEVNULL)
            seconds = Spread.of(seconds_each(work, repeats))
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            report.row("page", format, rows * SEEDS, seconds, output.stat().st_size / 1e6, memory)
    report.close()


if __name__ == "__main__":
    main()
