"""What benchmarks measure: shown as tables, kept as JSON, and written into the tables of a page.

    python benchmarks/report.py

rewrites the tables of some pages of docs/ from benchmarks/results/*.json. A table stands there between two comments,
`<!-- gromov: milliseconds -->` (the script's name and the table's) and `<!-- end -->`.
"""

import argparse
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from disent_bench.files import write_atomically
from disent_bench.runs.provenance import processor_name

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs" / name for name in ("performance.md", "scaling.md", "gromov_monge_study.md")]
RESULTS = ROOT / "benchmarks" / "results"
PLACE = re.compile(r"(<!-- (\w+): ([\w ,-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
PATIENCE_S = 10.0
"""Longest that one thing is measured again and again."""


class Spread(NamedTuple):
    """Median and quartiles of what was measured so many times."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float] | NDArray) -> "Spread":
        """Summarise measurements."""
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
        return cls(float(median), float(low), float(high), len(values))

    def times(self, factor: float) -> "Spread":
        """Return this in another unit, or for another amount."""
        return Spread(factor * self.median, factor * self.low, factor * self.high, self.count)


Cell = str | int | float | Spread | None


def seconds_each(work: Callable[[], Any], repeats: int) -> list[float]:
    """Measure ``work`` so often, at least once and less often where it takes long."""
    times: list[float] = []
    while not times or (len(times) < repeats and sum(times) < PATIENCE_S):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def milliseconds(work: Callable[[], Any], repeats: int) -> Spread:
    """Measure ``work``, which was called before: first calls compile."""
    return Spread.of(seconds_each(work, repeats)).times(1e3)


def digits(value: float) -> str:
    """Write three digits of a number, and all of a large one's."""
    if not np.isfinite(value) or value == 0:
        return f"{value:g}"
    places = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:,.{places}f}"


def text(cell: Cell) -> str:
    if isinstance(cell, Spread):
        around = "" if cell.count == 1 else f" ({digits(cell.low)} to {digits(cell.high)})"
        return digits(cell.median) + around
    if isinstance(cell, float):
        return digits(cell)
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """Begin the command line of a script with what all of them have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep what was measured in this file")
    parser.add_argument("--smallest", action="store_true", help="the smallest form, which only shows that it works")
    return parser


class Report:
    """The tables of one script.

    Args:
        file: of the script.
        given: its options.
        packages: whose versions matter, those that are installed.
        machine: what it runs on, if not this processor.
    """

    def __init__(self, file: str, given: argparse.Namespace, *packages: str, machine: str | None = None) -> None:
        self.path: Path | None = given.json
        self.tables: dict[str, dict[str, Any]] = {}
        self.about = {
            "command": " ".join(["python", f"benchmarks/{Path(file).name}", *_without_json(sys.argv[1:])]),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine or f"{processor_name()}, cores: {_cores()}",
            "load": round(os.getloadavg()[0], 1),
            "versions": {"Python": platform.python_version(), **_versions(packages)},
        }

    def table(self, name: str, *columns: str) -> None:
        """Begin a table, or go on with it."""
        self.tables.setdefault(name, {"columns": columns, "rows": []})

    def row(self, name: str, *cells: Cell) -> None:
        """Add a row, and show it: what follows may take long."""
        assert len(cells) == len(self.tables[name]["columns"])
        self.tables[name]["rows"].append(cells)
        print(f"{name}: {' | '.join(map(text, cells))}", file=sys.stderr, flush=True)

    def resume(self) -> None:
        """Go on with the tables of the file, if that was measured on this machine with these versions."""
        if self.path is not None and self.path.exists():
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if all(content.get(key) == self.about[key] for key in ("machine", "versions")):
                self.tables = content["tables"]
                for table in self.tables.values():
                    table["rows"] = [[_cell(value) for value in row] for row in table["rows"]]

    def close(self) -> None:
        """Show the tables and keep them."""
        console = Console(width=None if sys.stdout.isatty() else 160)
        for name, table in self.tables.items():
            shown = Table(*table["columns"], title=name)
            for row in table["rows"]:
                shown.add_row(*map(text, row))
            console.print(shown)
        console.print(_source(self.about), highlight=False, soft_wrap=True)
        self.keep()

    def keep(self) -> None:
        """Write the tables to the file, where one was named."""
        if self.path is None:
            return
        tables = {
            name: {**table, "rows": [[_plain(cell) for cell in row] for row in table["rows"]]}
            for name, table in self.tables.items()
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, json.dumps({**self.about, "tables": tables}, indent=1) + "\n")


def _without_json(words: Sequence[str]) -> list[str]:
    kept = [word for word in words if not word.startswith("--json=")]
    if "--json" in kept:
        at = kept.index("--json")
        del kept[at : at + 2]
    return kept


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _plain(cell: Cell) -> Any:
    if isinstance(cell, Spread):
        rounded = {name: float(f"{value:.4g}") for name, value in cell._asdict().items()}
        return {**rounded, "count": cell.count}
    return float(f"{cell:.4g}") if isinstance(cell, float) else cell


def _cell(value: Any) -> Cell:
    if isinstance(value, dict):
        return Spread(**value)
    return value


def _source(about: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    return f"{about['command']}, {about['date']}, {about['machine']}, load {about['load']} before it; {versions}"


def tables_of(path: Path) -> dict[str, str]:
    """Return the tables of a JSON file in Markdown, each with its source."""
    content = json.loads(path.read_text(encoding="utf-8"))
    command, _, rest = _source(content).partition(", ")
    found = {}
    for name, table in content["tables"].items():
        rows = [table["columns"], *([text(_cell(cell)) for cell in row] for row in table["rows"])]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        lines.insert(1, "|---" * len(table["columns"]) + "|")
        spreads = any(isinstance(_cell(cell), Spread) for row in table["rows"] for cell in row)
        how = " Medians; in brackets the quartiles." if spreads else ""
        found[name] = "\n".join([*lines, "", f"`{command}`, {rest}.{how}", ""])
    return found


def rewritten(page: str, results: Path) -> str:
    """Return a page with its tables as the files in ``results`` have them.

    Raises:
        ValueError: if a file or a table that the page names is not there.
    """

    def table(place: re.Match[str]) -> str:
        begin, script, name, end = place.groups()
        path = results / f"{script}.json"
        found = tables_of(path) if path.exists() else {}
        if name not in found:
            raise ValueError(f"{path} has no table {name!r}; run benchmarks/{script}.py --json {path}")
        return f"{begin}{found[name]}{end}"

    return PLACE.sub(table, page)


if __name__ == "__main__":
    for page in PAGES:
        write_atomically(page, rewritten(page.read_text(encoding="utf-8"), RESULTS))
