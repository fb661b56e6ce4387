"""Show all about a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE
from disent_bench.leaderboard.records import settings_text
from disent_bench.text import one_line, strict

if TYPE_CHECKING:
    from disent_bench.runs.result import Report, Result

R = TypeVar("R", bound="Report")

HELP = "show all about a run"
DESCRIPTION = (
    "Show a run: changed settings, state, scores beside those before training, where and how it ran, its files."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--json", action="store_true", help="print JSON, the whole configuration included")


def main(given: Namespace) -> int:
    """Print what there is to know."""
    from disent_bench.runs.folder import RunFolder
    from disent_bench.runs.overview import overview
    from disent_bench.runs.result import Failure, Result

    run = RunFolder(given.folder)
    config = run.read_config()
    seen = overview(run)
    results = [_read(Result, path) for path in [run.result, *sorted(run.path.glob("scores/*.json"))] if path.exists()]
    failure = _read(Failure, run.failure) if seen.state == "failed" else None
    if given.json:
        document = {**asdict(seen), "folder": str(run.path), "config": config}
        document |= {"results": [asdict(each) for each in results]}
        document |= {"traceback": failure.traceback} if failure else {}
        document |= {"tries": run.read_tries()}
        print(json.dumps(strict(document), indent=2))
        return DONE
    print(f"{seen.method} on {seen.dataset} ({config.get('source')}), protocol {seen.protocol}, seed {seen.seed}")
    for name, value in (
        ("label", seen.label),
        ("folder", str(run.path)),
        ("changed", settings_text(seen.changes) or "nothing"),
        ("state", f"{seen.state}, step {seen.step} of {seen.steps}"),
        ("failure", seen.failure),
        ("at work", seen.owner),
        ("files", ", ".join(sorted(path.name for path in run.path.iterdir() if not path.name.startswith(".")))),
    ):
        if value:
            print(f"{name:<8} {one_line(value)}")
    for each in run.read_tries():
        said = one_line(f"{each.get('finished')} on {each.get('host')}: {each['reason']}")
        print(f"{'failed':<8} {said}")
    if failure and failure.traceback:
        print(failure.traceback.rstrip())
    for result in results:
        print("\n".join(_lines(result)))
    return DONE


def _read(kind: type[R], path: Path) -> R:
    try:
        return kind.read(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {one_line(error)}") from None


def _lines(result: Result) -> Iterator[str]:
    yield ""
    yield f"scores of {result.scoring.label}"
    names = [*result.scores, *result.errors]
    width = max(map(len, names), default=0)
    for name, value in result.scores.items():
        before = result.untrained.get(name)
        yield f"  {name:<{width}}  {value:.4f}" + (f"  (untrained {before:.4f})" if before is not None else "")
    for name, reason in result.errors.items():
        yield f"  {name:<{width}}  -       {one_line(reason)}"
    for note in result.notes:
        yield f"  {one_line(note)}"
    training, environment = result.training, result.environment
    if training:
        yield (
            f"trained  {training.get('steps')} steps in {training.get('seconds')} s "
            f"({training.get('steps_per_second')}/s), {training.get('peak_memory_mb')} MB at most"
        )
    if environment:
        where = [environment.get("gpu") or environment.get("processor"), f"{environment.get('threads')} threads"]
        where += [f"{name} {environment.get(name)}" for name in ("torch", "lightning", "disent_bench")]
        yield f"on       {one_line(', '.join(map(str, where)))}, finished {environment.get('finished')}"
