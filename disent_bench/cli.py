"""The command line: ``disent-bench VERB ...``, also ``python -m disent_bench``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from disent_bench.hints import parse_seeds, parse_value
from disent_bench.registry import METHODS, TERMS, Entry, load_plugin
from disent_bench.render import FORMATS

if TYPE_CHECKING:
    from disent_bench.train import Outcome

Verb = Callable[[Namespace], int]
DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0 done, 1 some runs failed, 2 bad input, 130 interrupted."""
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    parser = _parser()
    try:
        given = parser.parse_args(arguments)
    except argparse.ArgumentError as error:
        return _complain(" ".join(str(error).split()))
    try:
        return _VERBS[given.verb](given[given.verb])
    except (ValueError, OSError) as error:
        return _complain(_message(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def parse_overrides(groups: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Read ``key=value`` words; values as YAML writes them.

    Raises:
        ValueError: if a word has no ``=``, or a key is given twice.
    """
    overrides: dict[str, Any] = {}
    for word in (word for group in groups for word in group):
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ValueError(f"--set takes key=value, such as steps=200, not '{word}'")
        if key in overrides:
            raise ValueError(f"--set gives {key} twice; keep one")
        overrides[key] = parse_value(value)
    return overrides


def _list(given: Namespace) -> int:
    _load_everything(given.plugin)
    entries = _LISTS[given.what]()
    if given.json:
        print(json.dumps(entries, indent=2))
        return DONE
    width = max(len(entry["name"]) for entry in entries)
    for entry in entries:
        licence = f" (licence: {entry['licence']})" if "licence" in entry else ""
        print(f"{entry['name']:<{width}}  {entry['summary']}{licence}")
    return DONE


def _run(given: Namespace) -> int:
    overrides, seeds = parse_overrides(given.set), parse_seeds(given.seeds)
    _load_everything(given.plugin)
    from disent_bench.config import resolve
    from disent_bench.launch import run_seeds

    config = resolve(
        given.method,
        given.dataset,
        given.protocol,
        source=given.source,
        overrides=overrides,
        plugins=given.plugin,
        device=given.device,
    )
    outcomes = run_seeds(config, seeds, runs=given.runs, data_dir=given.data_dir, accelerator=given.device)
    return _conclude({str(outcome.key): outcome for outcome in outcomes})


def _study(given: Namespace) -> int:
    from disent_bench.study import read_study, run_study, study_leaderboard

    study = read_study(given.file)
    _load_everything(study.plugins)
    outcomes = run_study(
        study, runs=given.runs, data_dir=given.data_dir, device=given.device, num_workers=given.workers
    )
    if all(outcome.status != "interrupted" for outcome in outcomes.values()):
        print(study_leaderboard(study, outcomes.values(), given.runs, styled=sys.stdout.isatty()), end="")
    return _conclude(outcomes)


def _status(given: Namespace) -> int:
    from disent_bench.status import status_table

    print(status_table(given.runs))
    return DONE


def _leaderboard(given: Namespace) -> int:
    from disent_bench.files import write_atomically
    from disent_bench.leaderboard import aggregate, read_records
    from disent_bench.render import render

    records = read_records(given.runs, protocol=given.protocol, dataset=given.dataset, method=given.method)
    text = render(
        aggregate(records), given.format, runs=given.runs, styled=given.output is None and sys.stdout.isatty()
    )
    if given.output is None:
        print(text, end="" if text.endswith("\n") else "\n")
    else:
        write_atomically(given.output, text)
        print(f"wrote {given.output}", file=sys.stderr)
    return DONE


def _evaluate(given: Namespace) -> int:
    from disent_bench.evaluate import evaluate_files, score_table

    result = evaluate_files(given.codes, given.factors, given.test_codes, given.test_factors, given.protocol)
    if given.json:
        shown = {name: getattr(result, name) for name in ("protocol", "scores", "errors", "notes")}
        print(json.dumps(shown, indent=2))
    else:
        print(score_table(result))
    return DONE if result.scores else SOME_FAILED


def _data(given: Namespace) -> int:
    from disent_bench import data

    _load_everything(given.plugin)
    if given.file and given.action != "prepare":
        raise ValueError(f"--file goes with data prepare, not with data {given.action}")
    if given.action == "list":
        print(data.listing(given.data_dir))
        return DONE
    if given.name is None:
        raise ValueError(f"data {given.action} takes the name of a data set: {', '.join(data.names())}")
    if given.action == "prepare":
        print(data.prepare(given.name, given.data_dir, given.source, files=given.file))
    else:
        print(data.verify(given.name, given.data_dir, given.source))
    return DONE


_VERBS: Mapping[str, Verb] = {
    "list": _list,
    "run": _run,
    "study": _study,
    "status": _status,
    "leaderboard": _leaderboard,
    "evaluate": _evaluate,
    "data": _data,
}


def _parser() -> ArgumentParser:
    parser = _new_parser("Train, score and compare methods of disentangled representation learning.")
    parser.add_argument("--version", action="version", version=_version())
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
    listing.add_argument("what", choices=list(_LISTS))
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


def _load_everything(plugins: Sequence[str | Path]) -> None:
    import disent_bench.methods  # noqa: F401 (importing registers)

    for plugin in plugins:
        load_plugin(plugin)


def _conclude(outcomes: Mapping[str, Outcome]) -> int:
    """Say on stderr which runs failed, or how to go on, and return the exit status."""
    if any(outcome.status == "interrupted" for outcome in outcomes.values()):
        print("interrupted; the same command goes on from the last step", file=sys.stderr)
        return INTERRUPTED
    failed = [f"{name}: {outcome.reason}" for name, outcome in outcomes.items() if outcome.status == "failed"]
    if failed:
        print(f"{len(failed)} of {len(outcomes)} runs failed: {'; '.join(failed)}", file=sys.stderr)
        return SOME_FAILED
    return DONE


def _entries(entries: Sequence[Entry]) -> list[dict[str, str]]:
    return [{"name": entry.name, "summary": entry.summary, "paper": entry.paper} for entry in entries]


def _datasets() -> list[dict[str, str]]:
    import disent_datasets

    found = [disent_datasets.info(name) for name in disent_datasets.names()]
    return [
        {"name": each.name, "summary": each.title, "licence": each.licence, "paper": each.citation} for each in found
    ]


def _protocols() -> list[dict[str, str]]:
    from disent_bench.protocols import load_protocol, protocol_names

    found = [load_protocol(name) for name in protocol_names()]
    return [{"name": each.name, "summary": each.title, "paper": each.note} for each in found]


_LISTS: Mapping[str, Callable[[], list[dict[str, str]]]] = {
    "methods": lambda: _entries(METHODS.entries()),
    "terms": lambda: _entries(TERMS.entries()),
    "datasets": _datasets,
    "protocols": _protocols,
}


def _version() -> str:
    import disent_bench

    return disent_bench.__version__


def _message(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _complain(message: str) -> int:
    print(f"disent-bench: {message}", file=sys.stderr)
    return BAD_INPUT
