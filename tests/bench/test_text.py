"""What files say reaches terminals, spreadsheets and programs as words, whatever the words are."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from disent_bench.cli.main import main
from disent_bench.leaderboard.formats import format_names
from disent_bench.text import one_line, shortened, strict

EVIL = {
    "colour": "\x1b[31mred\x1b[0m",
    "title of the window": "\x1b]0;mine\x07",
    "other direction": "abc\u202edef",
    "surrogate": "a\ud800b",
    "line break": "one\ntwo\r\nthree",
    "nul": "a\0b",
    "C1": "a\x9b31mb",
    "no width": "a\u200bb",
}


@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL)
def test_a_line_is_one_line_that_a_terminal_shows(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    line.encode()
    assert one_line(line) == line
    assert one_line("Größe ± 2, 図") == "Größe ± 2, 図"


def test_strict_and_short() -> None:
    assert strict({"a": [1.0, float("nan")], "b": (float("inf"), "x", None)}) == {
        "a": [1.0, None],
        "b": [None, "x", None],
    }
    assert shortened("x" * 400, 100) == f"{'x' * 47} ... {'x' * 47}"
    assert shortened("short") == "short"


def record(folder: Path, seed: int, **changed: object) -> None:
    fields = {
        "schema": 2,
        "protocol": "quick",
        "dataset": "toy_grid",
        "source": "drawn",
        "method": "vae",
        "key": "abc",
        "seed": seed,
        "note": "",
        "changes": {},
        "scoring": {"protocol": "quick", "version": 1, "key": "k"},
        "scores": {"mig": 0.25},
        "errors": {},
        "untrained": {},
    }
    path = folder / "quick" / "toy_grid" / "vae" / "abc" / f"seed-{seed}" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(fields | changed))
    (path.parent / "config.yaml").write_text("steps: 3\n")


@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL)
@pytest.mark.parametrize("format", format_names())
def test_every_format_shows_evil_words_as_words(
    format: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, field in enumerate(("method", "note", "source", "dataset")):
        record(tmp_path, seed, **{field: f"{text}{seed}"})
    record(
        tmp_path,
        4,
        changes={f"steps{text}": text},
        notes=[text],
        errors={"dci": text},
        scores={"mig": 0.5, f"mine{text}": 0.5},
    )
    assert main(["leaderboard", "--runs", str(tmp_path), "--format", format]) == 0
    out, err = capsys.readouterr()
    for line in (out + err).split("\n"):
        assert line.isprintable(), repr(line)
    out.encode()
    assert main(["status", "--runs", str(tmp_path)]) == 0
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())


def test_spreadsheets_get_no_formulas_and_programs_strict_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, start in enumerate("=+-@"):
        record(tmp_path, seed, method=f"{start}1+1", scores={"mig": float("nan"), "sap": 0.5})
    assert main(["leaderboard", "--runs", str(tmp_path), "--format", "csv"]) == 0
    cells = [cell for row in csv.reader(io.StringIO(capsys.readouterr().out)) for cell in row]
    assert sum(cell.startswith("'") for cell in cells) == 4
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
    assert main(["leaderboard", "--runs", str(tmp_path), "--format", "json"]) == 0

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    rows = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert len(rows) == 4
