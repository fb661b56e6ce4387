"""Train and score everything that a file names."""

from __future__ import annotations

import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import conclude
from disent_bench.cli.parser import shared
from disent_bench.studies.files import find_study, study_files

if TYPE_CHECKING:
    from disent_bench.studies.launchers import Resources

HELP = "train and score everything that a file names"
DESCRIPTION = (
    "Bring all runs that a file names to their end, each in a process of its own, then print their leaderboard. "
    "Runs that are done are skipped, interrupted ones are resumed; Ctrl-C saves their state first. Whoever starts the "
    "same study on the same folder shares its runs, also from another machine. The file is "
    "YAML: title; note (may be left out, as may settings and plugins); protocol; datasets, a list; seeds, such as "
    "0-2; settings of all runs, as for run --set; plugins, a list of Python files, with paths from the study's "
    "folder; include, a list of studies of which this one takes over what it does not say itself, and to whose methods "
    "it adds its own; methods, a list of names or of {method: gmg, settings: {methods.gmg.side: encoder}}. A sweep, "
    "{method: beta_vae, sweep: {methods.beta_vae.beta: [2, 4, 8]}}, is an entry for each setting; with grid in its "
    "place one setting is chosen and reported: tuning, {seeds: "
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
    where = (
        "where runs go: local is this machine, packed one process of it whose runs share one device; ray and slurm are "
        "clusters, whose machines share the folders"
    )
    parser.add_argument("--launcher", choices=_launchers(), default="local", help=where)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="runs side by side, or queued at a time")
    parser.add_argument("--cpus", type=int, metavar="N", help="cores of each run; default: a share")
    parser.add_argument("--gpus", type=float, metavar="X", help="GPUs of each run on a cluster; on ray also parts: .25")
    parser.add_argument("--address", type=str, metavar="ADDRESS", help="of a Ray cluster, as auto or head:6379")
    parser.add_argument(
        "--option",
        action="append",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="what else a cluster is told, as slurm: partition=gpu timeout_min=240 mem_gb=16 (submitit's parameters)",
    )
    again = "how often a run is started again that was killed, lost, or short of memory or disk; default: 1"
    parser.add_argument("--retries", type=int, default=1, metavar="N", help=again)
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
    from disent_bench.studies.reading import read_study
    from disent_bench.studies.study import run_study, study_leaderboard, study_records

    seconds = seconds_of(given.budget) if given.budget else None
    study = read_study(find_study(given.file))
    load_plugins(study.plugins)
    with budget(seconds):
        outcomes = run_study(
            study,
            runs=given.runs,
            data_dir=given.data_dir,
            device=given.device,
            resources=_resources(given),
            launcher_name=given.launcher,
            retries=given.retries,
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


def _resources(given: Namespace) -> Resources:
    from disent_bench.config.values import parse_overrides
    from disent_bench.studies.launchers import Resources

    options = parse_overrides(given.option, "--option", "partition=gpu")
    return Resources(given.workers, given.cpus, given.gpus, given.address, options, given.runs / ".jobs")


def _launchers() -> list[str]:
    """Names of the launchers: files in their folder, which is not imported to look."""
    folder = Path(__file__).parents[2] / "studies" / "launchers"
    return sorted(module.name for module in pkgutil.iter_modules([str(folder)]))
