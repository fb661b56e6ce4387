"""The command line: ``disent-bench VERB ...``, also ``python -m disent_bench``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from disent_bench.cli.parser import build_parser
from disent_bench.registry import METHODS, TERMS, Entry, load_plugin
from disent_bench.signatures import parse_seeds, parse_value

if TYPE_CHECKING:
    from disent_bench.runs.train import Outcome

Verb = Callable[[Namespace], int]
DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0 done, 1 some runs failed, 2 bad input, 130 interrupted."""
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    parser = build_parser(list(_LISTS))
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
    from disent_bench.config.resolve import resolve
    from disent_bench.runs.series import run_seeds

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
    from disent_bench.studies.study import read_study, run_study, study_leaderboard

    study = read_study(given.file)
    _load_everything(study.plugins)
    outcomes = run_study(
        study, runs=given.runs, data_dir=given.data_dir, device=given.device, num_workers=given.workers
    )
    if all(outcome.status != "interrupted" for outcome in outcomes.values()):
        print(study_leaderboard(study, outcomes.values(), given.runs, styled=sys.stdout.isatty()), end="")
    return _conclude(outcomes)


def _status(given: Namespace) -> int:
    from disent_bench.cli.status import status_table

    print(status_table(given.runs))
    return DONE


def _leaderboard(given: Namespace) -> int:
    from disent_bench.files import write_atomically
    from disent_bench.leaderboard.records import aggregate, read_records
    from disent_bench.leaderboard.render import render

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
    from disent_bench.cli.codes import evaluate_files, score_table

    result = evaluate_files(given.codes, given.factors, given.test_codes, given.test_factors, given.protocol)
    if given.json:
        shown = {name: getattr(result, name) for name in ("protocol", "scores", "errors", "notes")}
        print(json.dumps(shown, indent=2))
    else:
        print(score_table(result))
    return DONE if result.scores else SOME_FAILED


def _data(given: Namespace) -> int:
    from disent_bench.cli import data_sets

    _load_everything(given.plugin)
    if given.file and given.action != "prepare":
        raise ValueError(f"--file goes with data prepare, not with data {given.action}")
    if given.action == "list":
        print(data_sets.listing(given.data_dir))
        return DONE
    if given.name is None:
        raise ValueError(f"data {given.action} takes the name of a data set: {', '.join(data_sets.names())}")
    if given.action == "prepare":
        print(data_sets.prepare(given.name, given.data_dir, given.source, files=given.file))
    else:
        print(data_sets.verify(given.name, given.data_dir, given.source))
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
    from disent_bench.config.protocols import load_protocol, protocol_names

    found = [load_protocol(name) for name in protocol_names()]
    return [{"name": each.name, "summary": each.title, "paper": each.note} for each in found]


_LISTS: Mapping[str, Callable[[], list[dict[str, str]]]] = {
    "methods": lambda: _entries(METHODS.entries()),
    "terms": lambda: _entries(TERMS.entries()),
    "datasets": _datasets,
    "protocols": _protocols,
}


def _message(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _complain(message: str) -> int:
    print(f"disent-bench: {message}", file=sys.stderr)
    return BAD_INPUT
