"""The command line: ``disent-bench VERB ...``, also ``python -m disent_bench``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from disent_bench.registry import METHODS, TERMS, Entry, load_plugin
from disent_bench.render import FORMATS

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


def parse_seeds(text: str) -> list[int]:
    """Read ``0-4``, ``3`` or ``0-1,7`` as a list of seeds, in the order given, each once.

    Raises:
        ValueError: if the text is something else.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"--seeds takes numbers and ranges such as 0-4 or 0,2,7, not '{text}'")
        span = range(int(first), int(last or first) + 1)
        if not span:
            raise ValueError(f"--seeds {part.strip()} is empty; the smaller number comes first")
        seeds.update(dict.fromkeys(span))
    return list(seeds)


def parse_overrides(groups: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Read ``key=value`` words; values as YAML writes them.

    Raises:
        ValueError: if a word has no ``=``, or a key is given twice.
    """
    from disent_bench.hints import parse_value

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
        print(f"{entry['name']:<{width}}  {entry['summary']}")
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
        plugin=given.plugin,
        device=given.device,
    )
    outcomes = run_seeds(config, seeds, runs=given.runs, data_dir=given.data_dir, accelerator=given.device)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if any(outcome.status == "interrupted" for outcome in outcomes):
        print("interrupted; the same command goes on from the last step", file=sys.stderr)
        return INTERRUPTED
    if failed:
        names = "; ".join(f"{outcome.key}: {outcome.reason}" for outcome in failed)
        print(f"{len(failed)} of {len(seeds)} runs failed: {names}", file=sys.stderr)
        return SOME_FAILED
    return DONE


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
    if given.action == "list":
        print(data.listing(given.data_dir))
        return DONE
    if given.name is None:
        raise ValueError(f"data {given.action} takes the name of a data set: {', '.join(data.names())}")
    act = data.prepare if given.action == "prepare" else data.verify
    print(act(given.name, given.data_dir, given.source))
    return DONE


_VERBS: Mapping[str, Verb] = {
    "list": _list,
    "run": _run,
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
        "type": Path,
        "metavar": "FILE.py",
        "help": "Python file that registers what is yours",
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
    run.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help="where to compute")
    verbs.add_subcommand("run", run, help="train and score a method")

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

    data = _new_parser("Show, make or check data sets. Drawn sets need no download.")
    data.add_argument("action", choices=["list", "prepare", "verify"])
    data.add_argument("name", type=str, nargs="?", help="a data set")
    data.add_argument("--data-dir", **data_dir)
    data.add_argument("--source", **source)
    data.add_argument("--plugin", **plugin)
    verbs.add_subcommand("data", data, help="show, make or check data sets")
    return parser


def _new_parser(description: str) -> ArgumentParser:
    return ArgumentParser(prog="disent-bench", description=description, exit_on_error=False, allow_abbrev=False)


def _load_everything(plugin: Path | None) -> None:
    import disent_bench.methods  # noqa: F401 (importing registers)

    if plugin is not None:
        load_plugin(plugin)


def _entries(entries: Sequence[Entry]) -> list[dict[str, str]]:
    return [{"name": entry.name, "summary": entry.summary, "paper": entry.paper} for entry in entries]


def _datasets() -> list[dict[str, str]]:
    import disent_datasets

    found = [disent_datasets.info(name) for name in disent_datasets.names()]
    return [{"name": each.name, "summary": each.title, "paper": each.citation} for each in found]


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
