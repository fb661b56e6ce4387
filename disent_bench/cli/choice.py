"""Which runs a verb is about."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

if TYPE_CHECKING:
    from disent_bench.runs.overview import Overview

FILTERS = ("protocol", "dataset", "method", "seed", "state")


def add_choice(parser: ArgumentParser, *, folders: bool = True) -> None:
    """Add folders and filters of runs."""
    if folders:
        parser.add_argument("folders", type=Path, nargs="+", metavar="RUN", help="folder of a run, or of many")
    for name in FILTERS:
        text = f"only runs with this {name}; may be repeated"
        parser.add_argument(f"--{name}", action="append", default=[], metavar=name.upper(), help=text)


def chosen(given: Namespace, folders: Sequence[Path], *, some: bool = True) -> list[Overview]:
    """Return the runs that were asked for.

    Raises:
        ValueError: if there are none, and there have to be ``some``.
    """
    from disent_bench.runs.overview import STATES, overviews

    for state in given.state:
        if state not in STATES:
            raise ValueError(f"--state is one of {', '.join(STATES)}, not {state!r}")
    found = overviews(folders, **{name: getattr(given, name) for name in FILTERS})
    if some and not found:
        raise ValueError(f"no such runs in {', '.join(map(str, folders))}")
    return found


def agreed(found: Sequence[Overview], what: str, given: Namespace) -> None:
    """Ask before something is lost.

    Raises:
        ValueError: if the answer is not yes, or nobody can be asked.
    """
    if given.yes:
        return
    for each in found:
        print(each.folder, file=sys.stderr)
    said = f"{what} {len(found)} run{'s' if len(found) > 1 else ''}"
    if not sys.stdin.isatty():
        raise ValueError(f"this would {said}, named above; with --yes it does")
    print(f"{said}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ValueError("nothing was done")
