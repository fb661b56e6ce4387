"""Runs as objects: seen, shown, deleted, run anew and labelled."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import disent_bench as db
from disent_bench.cli.main import main
from disent_bench.leaderboard.records import Record
from disent_bench.leaderboard.rows import aggregate
from disent_bench.leaderboard.tables import tables
from disent_bench.runs.folder import FLOORS, RunFolder, find_runs
from disent_bench.runs.overview import overview
from disent_bench.runs.result import Failure, Result, Scoring
from disent_bench.text import natural

pytestmark = pytest.mark.xdist_group("overview")  # two runs for all

SETTINGS = {"steps": 3, "batch_size": 8, "log_every": 1, "scores.scores": ["mig"], "scores.num_train": 200}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused must leave nothing behind there."""
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """Two seeds of a method that were trained, once for all tests here."""
    runs = tmp_path_factory.mktemp("trained")
    db.run("vae", "toy_grid", seeds="0-1", set=SETTINGS, runs=runs, data_dir=data_dir)
    return runs


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """The two, one that failed, one that somebody works on, and one that is only laid out."""
    shutil.copytree(trained, tmp_path / "runs")
    done = find_runs(tmp_path / "runs")[0]
    for seed in (9, 10, 11):
        folder = done.path.with_name(f"seed-{seed}")
        folder.mkdir()
        (folder / "config.yaml").write_text(done.config.read_text().replace("seed: 0", f"seed: {seed}"))
    first = Result.read(done.result)
    identity = ("quick", "toy_grid", "drawn", "vae", first.key, 9, first.note, first.changes, first.scoring)
    Failure(*identity, reason="loss not finite at step 2", traceback="Traceback: there").write(
        done.path.with_name("seed-9") / "failure.json"
    )
    lines = [{"step": 1, "loss": 2.0}, {"step": 1, "throughput/steps_per_second": 0.5}]
    (done.path.with_name("seed-10") / "metrics.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    return tmp_path / "runs"


@pytest.fixture
def busy(runs: Path) -> Any:
    with find_runs(runs)[3].lock():
        yield


def call(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("busy")
def test_status_says_of_each_run_how_far_it_is(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    title, *lines = call(capsys, "status", "--runs", runs).splitlines()
    assert title.startswith("quick/toy_grid  [batch_size=8, ")
    words = [line.split() for line in lines]
    assert [line[:2] for line in words] == [
        ["done", "3/3"],
        ["done", "3/3"],
        ["failed", "0/3"],
        ["running", "1/3"],
        ["new", "0/3"],
    ]
    assert "(loss not finite at step 2)" in lines[2]
    assert words[3][2:5] == ["0:04", "to", "go"]
    assert [Path(next(word for word in line if "seed-" in word)).name for line in words] == [
        f"seed-{seed}" for seed in (0, 1, 9, 10, 11)
    ]


@pytest.mark.usefixtures("busy")
def test_status_for_programs_and_for_some_runs(
    runs: Path, capsys: pytest.CaptureFixture[str], refuse: Callable[..., None]
) -> None:
    found = json.loads(call(capsys, "status", "--runs", runs, "--json"))
    assert [run["state"] for run in found] == ["done", "done", "failed", "running", "new"]
    assert found[3]["seconds_to_go"] == 4
    assert found[0]["changes"]["batch_size"] == 8
    assert all((Path(run["folder"]) / "config.yaml").exists() for run in found)
    some = json.loads(call(capsys, "status", "--runs", runs, "--json", "--state", "failed", "--state", "new"))
    assert [run["seed"] for run in some] == ["9", "11"]
    assert json.loads(call(capsys, "status", "--runs", runs / "none", "--json")) == []
    refuse("--method: no run has 'topdis'; there are vae", "status", "--runs", runs, "--method", "topdis")
    refuse("--state is one of done, running", "status", "--runs", runs, "--state", "dead")
    refuse("no such runs in", "status", "--runs", runs, "--state", "damaged")


def test_show_says_all_about_a_run(runs: Path, capsys: pytest.CaptureFixture[str], refuse: Callable[..., None]) -> None:
    done, _, failed, *_ = find_runs(runs)
    out = call(capsys, "show", done.path)
    result = Result.read(done.result)
    assert out.splitlines()[0] == "vae on toy_grid (drawn), protocol quick, seed 0"
    assert f"  mig  {result.scores['mig']:.4f}  (untrained {result.untrained['mig']:.4f})" in out.splitlines()
    assert "state    done, step 3 of 3" in out
    assert "traversals.png" in out
    assert f"finished {result.environment['finished']}" in out
    out = call(capsys, "show", failed.path)
    assert "failure  loss not finite at step 2" in out
    assert "Traceback: there" in out
    document = json.loads(call(capsys, "show", done.path, "--json"))
    assert document["config"]["batch_size"] == 8
    assert document["results"][0]["scores"] == dict(result.scores)
    refuse("is not the folder of a run", "show", runs)


@pytest.mark.usefixtures("busy")
def test_rm_asks_and_leaves_no_empty_folders(
    runs: Path, capsys: pytest.CaptureFixture[str], refuse: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError):  # more than a line: it names the runs first
        refuse("this would delete 2 runs", "rm", runs, "--state", "done")
    assert len(find_runs(runs)) == 5
    refuse("another process is working on", "rm", find_runs(runs)[3].path, "--yes")
    call(capsys, "rm", runs, "--state", "done", "--yes")
    assert [run.path.name for run in find_runs(runs)] == ["seed-9", "seed-10", "seed-11"]

    class Typed:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answers.pop()

    answers = ["y\n", "n\n"]
    monkeypatch.setattr(sys, "stdin", Typed())
    refused = ["rm", str(find_runs(runs)[0].path)]
    assert main(refused) == 2
    assert "nothing was done" in capsys.readouterr().err
    assert main(refused) == 0
    assert [run.path.name for run in find_runs(runs)] == ["seed-10", "seed-11"]


def test_the_last_run_takes_its_folders_and_label_along(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "label", find_runs(runs)[0].path, "mine")
    find_runs(runs)[0].tuning.write_text("{}")
    assert (runs / FLOORS).exists()
    call(capsys, "rm", runs / "quick", "--yes")
    assert list(runs.iterdir()) == []


def test_rerun_starts_anew(runs: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done, _, failed, _, laid_out = find_runs(runs)
    first = Result.read(done.result)
    stale = done.path / "stale.png"
    stale.write_bytes(b"of the first time")
    assert main(["rerun", str(done.path), "--data-dir", str(data_dir)]) == 2
    assert "this would delete and run anew 1 run, named above; with --yes it does" in capsys.readouterr().err
    assert done.result.exists()
    call(capsys, "rerun", done.path, "--yes", "--data-dir", data_dir)
    assert Result.read(done.result).scores == first.scores
    assert Result.read(done.result).environment["finished"] >= first.environment["finished"]
    assert not stale.exists()
    call(capsys, "rerun", failed.path, "--data-dir", data_dir)
    assert overview(failed).state == "done"
    laid_out.config.write_text("hello")
    assert main(["rerun", str(laid_out.path)]) == 2


def test_a_label_stands_for_method_and_settings(
    runs: Path, capsys: pytest.CaptureFixture[str], refuse: Callable[..., None]
) -> None:
    run = find_runs(runs)[0]
    call(capsys, "label", run.path, "Mine, at last")
    assert "Mine, at last" in call(capsys, "status", "--runs", runs, "--state", "done")
    assert "| Mine, at last | 2/3 |" in call(capsys, "leaderboard", "--runs", runs, "--format", "markdown")
    assert list(db.results(runs)["label"].unique()) == ["Mine, at last"]
    call(capsys, "label", run.path, "")
    out = call(capsys, "leaderboard", "--runs", runs, "--format", "markdown")
    assert r"| vae \[batch_size=8, steps=3\] | 2/3 |" in out
    refuse("a label has up to 80 characters", "label", run.path, "x" * 81)
    refuse("is not the folder of a run", "label", runs, "x")


def test_columns_and_names_of_a_table(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], refuse: Callable[..., None]
) -> None:
    names = tmp_path / "names.yaml"
    names.write_text("vae: VAE (ours)\nmig: 'MIG (%)'\n")
    options = ["leaderboard", "--runs", runs, "--names", names, "--columns", "mig"]
    assert "| method | n | MIG (%) |" in call(capsys, *options, "--format", "markdown")
    assert r"VAE (ours) [batch\_size=8, steps=3] & 2/3 & " in call(capsys, *options, "--format", "latex")
    names.write_text("'vae [batch_size=8, steps=3]': Ours\n")
    assert "| Ours | 2/3 |" in call(capsys, *options, "--format", "markdown")
    refuse("column 'mug', did you mean 'mig'?", "leaderboard", "--runs", runs, "--columns", "mug")
    names.write_text("- vae\n")
    refuse("should hold names by name", *options)
    refuse("none.yaml: No such file", *options[:3], "--names", tmp_path / "none.yaml")


def test_older_versions_of_a_plugin_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for key, code, day in (("a", "1", 1), ("b", "2", 3), ("c", "3", 2)):
        path = tmp_path / "quick" / "toy_grid" / "mine" / key / "seed-0" / "result.json"
        path.parent.mkdir(parents=True)
        config = {"versions": {"code mine.py": code, "term kl": 1}}
        Result(
            *("quick", "toy_grid", "drawn", "mine", key, 0, "", {}, Scoring("quick")),
            scores={"mig": day / 10},
            errors={},
            untrained={},
            config=config,
            environment={"finished": f"2026-11-0{day}T00:00:00+00:00"},
        ).write(path)
    out = call(capsys, "leaderboard", "--runs", tmp_path)
    assert "0.300" in out
    assert "0.200" not in out
    assert "mine: older versions left out (2); --all shows them" in out
    out = call(capsys, "leaderboard", "--runs", tmp_path, "--all")
    assert all(f"0.{day}00" in out for day in (1, 2, 3))
    assert len(db.leaderboard(tmp_path).to_frame()) == 1
    assert len(db.leaderboard(tmp_path, all=True).to_frame()) == 3


@given(numbers=st.lists(st.integers(0, 10**9), min_size=2))
def test_numbers_sort_by_size(numbers: list[int]) -> None:
    labels = [f"gmg [weight={number}]" for number in numbers]
    assert sorted(labels, key=natural) == [f"gmg [weight={number}]" for number in sorted(numbers)]


@given(words=st.lists(st.text(max_size=8)))
def test_any_words_can_be_sorted(words: list[str]) -> None:
    assert sorted(sorted(words, key=natural)) == sorted(words)


def test_a_run_that_nobody_holds_is_not_busy(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert not run.is_busy()
    with run.lock():
        assert run.is_busy()
    assert not run.is_busy()


def test_plots_of_a_table(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "leaderboard", "--runs", runs, "--plots", tmp_path / "plots")
    drawn = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert drawn == ["toy_grid-quick@2-mig-steps.png", "toy_grid-quick@2-mig.png"]
    assert all((tmp_path / "plots" / name).read_bytes().startswith(b"\x89PNG") for name in drawn)


def test_a_curve_keeps_zeros_and_leaves_out_what_is_not_a_number(runs: Path) -> None:
    run = find_runs(runs)[3]
    lines = [{"step": 1, "gap": 0.0}, {"step": 2, "gap": None}, {"step": 3, "gap": float("nan")}, {"step": 4, "gap": 2}]
    run.metrics.write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    (line,) = db.plots.curves(run.path, "gap").lines
    assert list(zip(*line.get_data(), strict=True)) == [(1, 0.0), (4, 2)]


def test_the_curve_of_a_score_is_the_mean_of_its_seeds(runs: Path) -> None:
    axes = db.plots.progress(runs)
    thin, *_, thick = axes.lines
    logged = [
        {line["step"]: line["scores/mig"] for line in run.logged() if "scores/mig" in line}
        for run in find_runs(runs)[:2]
    ]
    assert dict(zip(*thin.get_data(), strict=True)) == logged[0]
    assert list(thick.get_xdata()) == [0, 3]
    assert list(thick.get_ydata()) == pytest.approx([(logged[0][step] + logged[1][step]) / 2 for step in (0, 3)])


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX engine here")
def test_the_latex_table_compiles(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = call(capsys, "leaderboard", "--runs", runs, "--format", "latex")
    packages = re.findall(r"\\usepackage(?:\[\w+\])?\{\w+\}", table.splitlines()[0])
    assert len(packages) == 1
    lines = [r"\documentclass{article}", *packages, r"\begin{document}", table, r"\end{document}"]
    (tmp_path / "table.tex").write_text("\n".join(lines))
    words = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "table.pdf").stat().st_size > 1000


def test_a_name_of_the_users_own_needs_no_explanation_and_others_keep_theirs() -> None:
    record = Record(
        *("quick", "toy_grid", "drawn", "vae", "key", 0), scores={"dci_disentanglement": 0.1, "dci_completeness": 0.2}
    )
    (plain,), (named,) = (
        tables(aggregate([record]), names) for names in (None, {"dci_disentanglement": "D", "vae": "Ours"})
    )
    assert plain.footnotes == ("DCI D = dci_disentanglement, DCI C = dci_completeness",)
    assert named.footnotes == ("DCI C = dci_completeness",)
    assert [column.heading for column in named.columns] == ["D", "DCI C"]
    assert named.lines[0].label == "Ours"
