"""Benchmarks run, and the tables of a page are what they measured; no test looks at a time."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = sorted(
    path.stem
    for path in (Path(__file__).parents[2] / "benchmarks").glob("*.py")
    if "arguments(__doc__)" in path.read_text()
)


@pytest.fixture(scope="module")
def report(module_at: Callable[[str], ModuleType]) -> ModuleType:
    """`benchmarks/report.py`."""
    return module_at("benchmarks/report.py")


def test_the_tables_of_pages_are_what_was_measured(report: ModuleType) -> None:
    for page in report.PAGES:
        text = page.read_text()
        assert report.rewritten(text, report.RESULTS) == text, "python benchmarks/report.py writes it"


def test_every_result_is_shown_and_every_script_has_one(report: ModuleType) -> None:
    """What needs a GPU has one only from a machine with a GPU."""
    measured = {path.stem: json.loads(path.read_text()) for path in report.RESULTS.glob("*.json")}
    assert set(SCRIPTS) - measured.keys() <= {"gpu"}
    places = [place for page in report.PAGES for place in report.PLACE.findall(page.read_text())]
    shown = {(script, name) for _, script, name, _ in places}
    assert shown == {(script, name) for script, content in measured.items() for name in content["tables"]}


def test_results_are_of_whole_runs(report: ModuleType) -> None:
    for path in report.RESULTS.glob("*.json"):
        content = json.loads(path.read_text())
        assert content["command"] == f"python benchmarks/{path.stem}.py", "with its defaults"
        assert content["machine"]
        assert content["date"]


def test_a_report_is_written_and_read(report: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made" / "some.json"
    monkeypatch.setattr(sys, "argv", ["some.py", "--sizes", "3", "--json", str(path)])
    written = report.Report("some.py", argparse.Namespace(json=path), "torch", "no_such_package")
    written.table("times", "what", "ms", "ratio", "found")
    written.row("times", "first", report.Spread.of([1.0, 2.0, 3.0, 4.0, 100.0]), 0.0123, 12345)
    written.row("times", "second", report.Spread.of([1234.5]), None, "not installed")
    written.close()
    content = json.loads(path.read_text())
    assert content["command"] == "python benchmarks/some.py --sizes 3"
    assert "torch" in content["versions"]
    assert "no_such_package" not in content["versions"]
    assert content["tables"]["times"]["rows"][0][1] == {"median": 3.0, "low": 2.0, "high": 4.0, "count": 5}
    page = "before\n<!-- some: times -->\nold\n\nlines\n<!-- end -->\nafter\n"
    new = report.rewritten(page, path.parent)
    assert report.rewritten(new, path.parent) == new
    lines = new.splitlines()
    assert lines[2:6] == [
        "| what | ms | ratio | found |",
        "|---|---|---|---|",
        "| first | 3.00 (2.00 to 4.00) | 0.0123 | 12,345 |",
        "| second | 1,234 |  | not installed |",
    ]
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert report.processor_name() in new


def test_a_table_that_nobody_measured_is_named(report: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape("run benchmarks/some.py --json")):
        report.rewritten("<!-- some: times -->\n<!-- end -->\n", tmp_path)


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (0.012345, "0.0123"), (1.5, "1.50"), (123.4, "123"), (12345.6, "12,346")]
)
def test_numbers_are_written_with_three_digits_at_least(value: float, said: str, report: ModuleType) -> None:
    assert report.digits(float(value)) == said


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "gpu"])
def test_a_script_runs_in_its_smallest_form(name: str, root: Path, report: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.json"
    command = [sys.executable, str(root / "benchmarks" / f"{name}.py"), "--smallest", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ})
    assert done.returncode == 0, done.stderr
    tables = json.loads(path.read_text())["tables"]
    assert tables
    for table, content in tables.items():
        assert content["rows"], table
        assert all(len(row) == len(content["columns"]) for row in content["rows"])
        assert table in done.stdout
    if name == "operations":  # a whole step is seen, not only what is left of it on the main thread
        assert tables["steps"]["rows"][0][1] > 6
    whole = report.RESULTS / path.name
    if whole.exists():
        assert tables.keys() <= json.loads(whole.read_text())["tables"].keys()


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_the_benchmark_of_a_gpu_runs_and_goes_on_where_it_was(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    command = [sys.executable, str(root / "benchmarks" / "gpu.py"), "--smallest", "--json", str(path), "--budget"]
    first = subprocess.run([*command, "1s"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "left out, the budget is spent" in first.stderr
    before = json.loads(path.read_text())["tables"]
    second = subprocess.run([*command, "20m"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "left out" not in second.stderr
    after = json.loads(path.read_text())["tables"]
    assert after["checks"]["rows"] == before["checks"]["rows"]
    assert " passed" in after["checks"]["rows"][0][1]
    assert {name: len(table["rows"]) for name, table in after.items()} == {
        "checks": 1,
        "steps": 2,
        "parts": 2,
        "runs": 3,
        "packed": 1,
    }
    assert after["packed"]["rows"][0][2:] == [0, 0]
    bad = subprocess.run([*command, "soon"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert bad.returncode == 2
    assert "'soon' is no time such as 25m" in bad.stderr
