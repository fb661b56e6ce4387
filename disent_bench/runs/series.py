"""Many runs behind one function."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from disent_bench.config.run import RunConfig
from disent_bench.runs.folder import RunFolder
from disent_bench.runs.loggers import DEFAULT_LOGGERS, check_loggers
from disent_bench.runs.model import load_grid, rehearse
from disent_bench.runs.train import Outcome, run


def run_seeds(
    config: RunConfig,
    seeds: Sequence[int],
    *,
    runs: str | Path,
    data_dir: Path | None = None,
    accelerator: str = "auto",
    loggers: Sequence[str] = DEFAULT_LOGGERS,
    debug: bool = False,
) -> list[Outcome]:
    """Bring the runs of several seeds to their end, one after the other; an interruption ends the series.

    A run that fails is recorded and does not keep the next from starting, save with ``debug``, with which it raises.
    One line on stderr says how each ended.

    Raises:
        DataError: if the data set is missing or damaged.
        ValueError: if the configuration does not fit the data, or fails on its first batch.
    """
    check_loggers(loggers)
    if Path(runs).exists() and not Path(runs).is_dir():
        raise NotADirectoryError(f"{runs} is a file, not the folder of runs")
    rehearse(config, load_grid(config, data_dir))
    outcomes = []
    for seed in seeds:
        print(f"{config.method} on {config.dataset}, protocol {config.protocol}, seed {seed}", file=sys.stderr)
        outcome = run(
            config,
            seed,
            runs=Path(runs),
            data_dir=data_dir,
            accelerator=accelerator,
            say=say,
            loggers=loggers,
            debug=debug,
        )
        say(ending(outcome))
        outcomes.append(outcome)
        if outcome.status == "interrupted":
            break
    return outcomes


def ending(outcome: Outcome) -> str:
    """Say in a line how a run ended, and where its files are."""
    match outcome.status:
        case "done":
            return f"done: {outcome.folder}"
        case "skipped":
            return f"already done: {outcome.folder}"
        case "interrupted":
            saved = ", saved" if RunFolder(outcome.folder).checkpoint.exists() else ""
            return f"stopped by {outcome.reason}{saved}: {outcome.folder}"
        case "busy":
            return outcome.reason
        case "trained":
            return f"trained: {outcome.folder}"
        case "failed":
            return f"failed: {outcome.reason}"


def say(line: str) -> None:
    """Print a line about the run at hand."""
    print(f"  {line}", file=sys.stderr, flush=True)
