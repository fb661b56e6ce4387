"""What people see while they wait."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from disent_bench.runs import pace
from disent_bench.runs.pace import Pace, duration, seconds_of

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def on_a_terminal(columns: int, *words: object) -> str:
    """Run a command on a terminal of some width, and return what it showed, without colours."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    command = [sys.executable, "-m", "disent_bench", *map(str, words)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0, shown.decode()
    return ESCAPES.sub("", shown.decode())


STUDY = """
title: A look
protocol: quick
datasets: [toy_grid]
seeds: 0
settings: {steps: 40, batch_size: 8, log_every: 1, evaluate_every: 0, scores.scores: [mig], scores.num_train: 200}
methods: [vae, {method: gmg, settings: {methods.gmg.side: encoder}}]
"""


def test_a_study_shows_a_row_for_each_run_on_a_narrow_terminal(tmp_path: Path, data_dir: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    words = ("study", tmp_path / "study.yaml", "--runs", tmp_path / "runs", "--data-dir", data_dir, "--workers", 2)
    shown = on_a_terminal(60, *words)
    assert re.search(r"\r\n?vae on toy_grid, seed 0 .*━+ \d+/40,", shown)
    assert re.search(r"gmg \[me…toy_grid, seed 0 ━+ \d+/40,", shown), "the end of a long name tells the seed"
    assert re.search(r"2 done, 0 failed, 0 left .*━+ 0:\d\d so far", shown)


def test_a_pace_says_where_it_is_and_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 110.0, 165.0, 175.0, 180.0])
    monkeypatch.setattr(pace.time, "monotonic", lambda: next(clock))
    watched = Pace(0, 4000)
    assert watched.text(0) == "0/4000"
    assert watched.text(100) == "100/4000"
    assert watched.text(300) == "300/4000, 20.0/s, 3:05 to go"
    assert watched.text(300) == "300/4000, 20.0/s, 3:05 to go", "no step was taken since"
    watched.text(850)
    assert watched.text(950) == "950/4000, 10.0/s, 5:05 to go", "the first seconds are more than a minute ago"
    assert watched.text(4000) == "4000/4000, scoring"
    assert duration(3725) == "1:02:05"


def test_a_run_of_few_logged_lines_shows_each_step(tmp_path: Path, data_dir: Path) -> None:
    settings = ["steps=40", "batch_size=8", "log_every=40", "evaluate_every=0", "scores.scores=[mig]"]
    words = ["run", "--method", "vae", "--dataset", "toy_grid", "--runs", tmp_path, "--data-dir", data_dir]
    shown = on_a_terminal(100, *words, "--set", *settings, "scores.num_train=200")
    steps = {int(found) for found in re.findall(r"(\d+)/40 steps", shown)}
    assert steps - {0, 40}, "the bar does not move between two logged lines"
    assert "40/40 steps" in shown


def test_nothing_is_said_where_nobody_reads_on(tmp_path: Path) -> None:
    words = f"{sys.executable} -m disent_bench data list --data-dir {tmp_path}"
    script = f"{words} | true; echo ${{PIPESTATUS[0]}}; {words} >&-; echo $?"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.split() == ["0", "0"]


@pytest.mark.parametrize(("text", "seconds"), [("25m", 1500), ("90s", 90), ("1h30m", 5400), ("2h", 7200)])
def test_times_are_read_as_people_write_them(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "25", "0m", "m", "1.5h", "-5m", "soon"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time such as 25m, 90s or 1h30m"):
        seconds_of(text)
