"""Train and score everything that a file names."""

from __future__ import annotations

import pkgutil
import sys
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import conclude
from disent_bench.cli.parser import shared
from disent_bench.studies.files import find_study, study_files

HELP = "train and score everything that a file names"
DESCRIPTION = (
    "Bring all runs that a file names to their end, each in a process of its own, then print their leaderboard. "
    "Runs that are done are skipped, interrupted ones are resumed; Ctrl-C saves their state first. Two "
    "who start the same study on one folder share its runs. The file is "
    "YAML: title; note (may be left out, as may settings and plugins); protocol; datasets, a list; seeds, such as "
    "0-2; settings of all runs, as for run --set; plugins, a list of Python files, with paths from the study's "
    "folder; and methods, a list of names or of {method: gmg, settings: {methods.gmg.side: encoder}}. Instead of one "
    "setting a method can have a grid, {method: beta_vae, grid: {methods.beta_vae.beta: [2, 4, 8]}}: tuning, {seeds: "
    "100-104, by: mig}, chooses the best by the mean of a score over seeds that tables leave out, or by udr, which "
    "needs no labels. Each run's output goes to output.log in its folder. FILE can also be the name of one that comes "
    "with the package: "
    f"{', '.join(study_files())}."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="the study, a YAML file, or the name of one that comes with the package"
    )
    where = "where runs go: local is this machine"
    parser.add_argument("--launcher", choices=_launchers(), default="local", help=where)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="runs side by side; they share the cores")
    parser.add_argument(
        "--budget", type=str, metavar="TIME", help="stop after so much time, as 25m or 1h30m; the same command goes on"
    )
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="also draw every score: all seeds, and against steps where logged"
    )
    shared(parser, "--runs", "--data-dir", "--device")


def main(given: Namespace) -> int:
    """Bring all runs of the file to their end, and print their leaderboard."""
    from disent_bench.leaderboard.rows import aggregate
    from disent_bench.plugins import load_plugins
    from disent_bench.runs.pace import seconds_of
    from disent_bench.runs.stop import budget
    from disent_bench.studies.study import read_study, run_study, study_leaderboard, study_records

    seconds = seconds_of(given.budget) if given.budget else None
    study = read_study(find_study(given.file))
    load_plugins(study.plugins)
    with budget(seconds):
        outcomes = run_study(
            study,
            runs=given.runs,
            data_dir=given.data_dir,
            device=given.device,
            num_workers=given.workers,
            launcher_name=given.launcher,
        )
    if all(outcome.status != "interrupted" for outcome in outcomes.values()):
        print(study_leaderboard(study, outcomes.values(), given.runs, styled=sys.stdout.isatty()), end="")
        if given.plots:
            from disent_bench.cli.drawings import draw

            records = study_records(outcomes.values(), given.runs)
            print(
                f"drew {len(draw(records, aggregate(records), given.plots))} pictures in {given.plots}", file=sys.stderr
            )
    return conclude(outcomes)


def _launchers() -> list[str]:
    """Names of the launchers: files in their folder, which is not imported to look."""
    folder = Path(__file__).parents[2] / "studies" / "launchers"
    return sorted(module.name for module in pkgutil.iter_modules([str(folder)]))
