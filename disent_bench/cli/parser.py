"""What the command line takes: every verb, its arguments, and the text of their help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

import disent_bench
from disent_bench.leaderboard.render import FORMATS


def build_parser(lists: Sequence[str]) -> ArgumentParser:
    """Return the parser of all verbs; ``lists`` is what can be listed."""
    parser = _new_parser("Train, score and compare methods of disentangled representation learning.")
    parser.add_argument("--version", action="version", version=disent_bench.__version__)
    verbs = parser.add_subcommands(dest="verb", required=True)
    runs: dict[str, Any] = {
        "type": Path,
        "default": Path("runs"),
        "metavar": "DIR",
        "help": "folder of all runs",
    }
    plugin: dict[str, Any] = {
        "action": "append",
        "default": [],
        "metavar": "FILE.py",
        "help": "Python file that registers what is yours (may be repeated)",
    }
    data_dir: dict[str, Any] = {
        "type": Path,
        "metavar": "DIR",
        "help": "data folder; else $DISENT_DATA, else ./data",
    }
    source: dict[str, Any] = {
        "type": str,
        "help": "source of the images, for dsprites drawn (default) or official",
    }

    device: dict[str, Any] = {
        "choices": ["auto", "cpu", "cuda", "mps"],
        "default": "auto",
        "help": "where to compute",
    }

    listing = _new_parser("List what is registered, with one line about each.")
    listing.add_argument("what", choices=lists)
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.add_argument("--plugin", **plugin)
    verbs.add_subcommand("list", listing, help="list methods, terms, data sets or protocols")

    run = _new_parser(
        "Train and score a method, seed by seed. A run that is done is skipped, one that was cut off goes on; "
        "Ctrl-C saves the state first."
    )
    run.add_argument("--method", type=str, required=True, help="a method or a sum such as beta_vae+topdis")
    run.add_argument("--dataset", type=str, default="dsprites", help="a data set")
    run.add_argument("--protocol", type=str, default="quick", help="a protocol: how long to train, how to score")
    run.add_argument("--seeds", type=str, default="0", help="seeds, such as 0-4 or 0,2,7")
    run.add_argument(
        "--set",
        action="append",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change settings: steps=200, terms.topological.weight=5, methods.beta_tcvae.beta=6, scores.num_train=5000",
    )
    run.add_argument("--plugin", **plugin)
    run.add_argument("--runs", **runs)
    run.add_argument("--data-dir", **data_dir)
    run.add_argument("--source", **source)
    run.add_argument("--device", **device)
    verbs.add_subcommand("run", run, help="train and score a method")

    study = _new_parser(
        "Bring all runs that a file names to their end, each in a process of its own, then print their leaderboard. "
        "Runs that are done are skipped, those that were cut off go on; Ctrl-C saves their state first. The file is "
        "YAML: title; note (may be left out, as may settings and plugins); protocol; datasets, a list; seeds, such as "
        "0-2; settings of all runs, as for run --set; plugins, a list of Python files, with paths from the study's "
        "folder; and methods, a list of names or of {method: gmg, settings: {methods.gmg.side: encoder}}. Each run's "
        "output goes to output.log in its folder. experiments/studies/ and examples/ have some."
    )
    study.add_argument("file", type=Path, metavar="FILE", help="the study, a YAML file")
    study.add_argument("--launcher", choices=["local"], default="local", help="where runs go: local is this machine")
    study.add_argument("--workers", type=int, default=1, metavar="N", help="runs side by side; they share the cores")
    study.add_argument("--runs", **runs)
    study.add_argument("--data-dir", **data_dir)
    study.add_argument("--device", **device)
    verbs.add_subcommand("study", study, help="train and score everything that a file names")

    status = _new_parser("Show every run below a folder: done, unfinished (and at which step) or failed (and why).")
    status.add_argument("--runs", **runs)
    verbs.add_subcommand("status", status, help="show how far all runs are")

    leaderboard = _new_parser(
        "Print mean, spread and interval over seeds of every score, a table per protocol and data set."
    )
    leaderboard.add_argument("--runs", **runs)
    leaderboard.add_argument("--format", choices=list(FORMATS), default="table", help="how to print")
    leaderboard.add_argument("--output", type=Path, metavar="FILE", help="write to a file instead")
    for name in ("protocol", "dataset", "method"):
        leaderboard.add_argument(f"--{name}", type=str, help=f"only runs with this {name}")
    verbs.add_subcommand("leaderboard", leaderboard, help="print the tables")

    evaluate = _new_parser("Score codes of your own: codes (n, d) of real numbers, factors (n, k) of whole numbers.")
    kinds = ".npy, .npz, .csv or .pt"
    evaluate.add_argument("--codes", type=Path, required=True, metavar="FILE", help=f"codes, {kinds}")
    evaluate.add_argument("--factors", type=Path, required=True, metavar="FILE", help=f"factor indices, {kinds}")
    evaluate.add_argument(
        "--test-codes", type=Path, metavar="FILE", help="codes of a test set; else a third is held out"
    )
    evaluate.add_argument("--test-factors", type=Path, metavar="FILE", help="factors of the test set")
    evaluate.add_argument("--protocol", type=str, default="locatello2019", help="named settings of the scores")
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    verbs.add_subcommand("evaluate", evaluate, help="score codes that you bring")

    data = _new_parser(
        "Show, make or check data sets. Drawn sets need no download; a preparation that was cut off goes on with the "
        "same command."
    )
    data.add_argument("action", choices=["list", "prepare", "verify"])
    data.add_argument("name", type=str, nargs="?", help="a data set")
    data.add_argument("--data-dir", **data_dir)
    data.add_argument("--source", **source)
    data.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="PATH",
        help="prepare: an original file that you have, instead of a download (once for each file of the set); it is "
        "compared with its checksum, read where it lies and not changed",
    )
    data.add_argument("--plugin", **plugin)
    verbs.add_subcommand("data", data, help="show, make or check data sets")
    return parser


def _new_parser(description: str) -> ArgumentParser:
    return ArgumentParser(prog="disent-bench", description=description, exit_on_error=False, allow_abbrev=False)
