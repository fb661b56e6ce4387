"""Studies and the real processes that they start."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import disent_datasets
import pytest
import yaml

import disent_bench.methods  # noqa: F401 (importing registers)
from disent_bench.cli.main import main
from disent_bench.leaderboard.records import settings_text
from disent_bench.runs.folder import RunFolder, find_runs
from disent_bench.runs.lock import RunBusyError
from disent_bench.studies import worker

QUICK = {"batch_size": 8, "log_every": 1, "scores.scores": ["mig"], "scores.num_train": 200, "evaluate_every": 0}
SMALL = {"image_size": 32, "network": "roth2023_32"}
STUDY: dict[str, Any] = {
    "title": "A study",
    "note": "Of nothing",
    "protocol": "quick",
    "datasets": ["toy_grid"],
    "seeds": 0,
    "settings": {"steps": 10, "learning_rate": "1e-3", **QUICK},
    "methods": ["vae", {"method": "beta_vae", "settings": {**SMALL, "methods.beta_vae.beta": 2, "steps": 11}}],
}
PLUGIN = """
import os, signal, time
from dataclasses import dataclass
from disent_bench.objective import Objective, Term
from disent_bench.registry import register_method, register_term
from disent_bench.terms import Reconstruction

@register_term("{name}_term")
class Added(Term):
    def forward(self, p):
        return {value}

@register_method("{name}")
@dataclass(frozen=True)
class Method:
    def objective(self):
        return Objective(Reconstruction(), Added())
"""


class Finished(NamedTuple):
    """A study that has ended, and what it said."""

    folder: Path
    status: int
    out: str
    err: str


def write(path: Path, **changed: Any) -> Path:
    path.write_text(yaml.safe_dump({**STUDY, **changed}))
    return path


def words(path: Path, data_dir: Path, num_workers: int = 2) -> list[str]:
    folders = ["--runs", path.parent / "runs", "--data-dir", data_dir]
    return [str(word) for word in ("study", path, *folders, "--device", "cpu", "--workers", num_workers)]


def results(runs: Path) -> dict[str, dict[str, Any]]:
    """The results below a folder, by method."""
    return {path.parts[-4]: json.loads(path.read_text()) for path in runs.glob("*/*/*/*/*/result.json")}


pytestmark = [pytest.mark.usefixtures("forgetting"), pytest.mark.xdist_group("study")]  # one study for many


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, data_dir: Path, forget_plugins: Callable[[pytest.MonkeyPatch], None]
) -> Finished:
    """Two good methods, one whose loss is not a number, and one whose process is killed."""
    folder = tmp_path_factory.mktemp("study")
    bad = {
        "not_a_number": 'p.mean.sum() * float("nan")',
        "killed": "os.kill(os.getpid(), signal.SIGKILL) if int(p.step) else p.mean.sum()",
    }
    for name, value in bad.items():
        (folder / f"{name}.py").write_text(PLUGIN.format(name=name, value=value))
    plugins = [f"{name}.py" for name in bad]
    write(folder / "good.yaml", plugins=plugins)
    path = write(folder / "study.yaml", plugins=plugins, methods=[*bad, *STUDY["methods"]])
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        forget_plugins(patch)
        status = main(words(path, data_dir))
    return Finished(folder, status, out.getvalue(), err.getvalue())


def test_runs_end_as_they_would_alone(finished: Finished, tmp_path: Path, data_dir: Path) -> None:
    settings = settings_text(STUDY["settings"]).split(", ")
    plugins = [str(word) for path in sorted(finished.folder.glob("*.py")) for word in ("--plugin", path)]
    for method, own in (
        ("vae", []),
        ("beta_vae", [*settings_text(SMALL).split(", "), "methods.beta_vae.beta=2", "steps=11"]),
    ):
        shared = [word for word in settings if not (own and word.startswith("steps="))]
        alone = ["run", "--method", method, "--dataset", "toy_grid", "--runs", str(tmp_path)]
        assert main([*alone, "--data-dir", str(data_dir), "--device", "cpu", *plugins, "--set", *shared, *own]) == 0
    ours, theirs = results(finished.folder / "runs"), results(tmp_path)
    assert set(ours) == set(theirs) == {"vae", "beta_vae"}
    for name, result in ours.items():
        for part in ("key", "scores", "untrained", "changes"):
            assert result[part] == theirs[name][part], part


def test_a_run_that_fails_or_is_killed_is_named_while_others_finish(finished: Finished) -> None:
    assert finished.status == 1
    lines = finished.err.splitlines()
    assert lines[-1].startswith("2 of 4 runs failed: not_a_number on toy_grid, seed 0: ")
    assert "not finite at step 1;" in lines[-1]
    assert "killed on toy_grid, seed 0: killed by signal 9" in lines[-1]
    assert sum(": done: " in line for line in lines) == 2
    (log,) = finished.folder.glob("runs/*/*/not_a_number/*/*/output.log")
    assert "1 of 1 runs failed" in log.read_text()
    assert str(log) in finished.err


@pytest.mark.parametrize(
    ("error", "of_machine"),
    [("OSError(28, 'full')", True), ("MemoryError()", True), ("ValueError('bad')", False), ("TypeError('bad')", False)],
)
def test_a_failure_says_whether_it_was_the_machine(
    error: str, of_machine: bool, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = "p.mean.sum() if not int(p.step) else (_ for _ in ()).throw"  # the first batch is tried before all runs
    (tmp_path / "raises.py").write_text(PLUGIN.format(name="raises", value=f"{later}({error})"))
    line = [
        "run",
        "--method",
        "raises",
        "--plugin",
        str(tmp_path / "raises.py"),
        "--dataset",
        "toy_grid",
        "--seeds",
        "0",
    ]
    line += ["--data-dir", str(data_dir), "--runs", str(tmp_path / "runs"), "--set", "batch_size=8", "log_every=1"]
    assert main([*line, "evaluate_every=0"]) == 1
    assert main([*line, "evaluate_every=0"]) == 1, "the next call tries again"
    (run,) = find_runs(tmp_path / "runs")
    assert json.loads(run.failure.read_text())["of_machine"] == of_machine
    assert len(run.read_tries()) == 2
    capsys.readouterr()
    assert main(["show", str(run.path)]) == 0
    assert capsys.readouterr().out.count("failed   2") == 2, "every try is told"


def test_the_leaderboard_of_a_study_tells_its_variants_apart(finished: Finished) -> None:
    assert finished.out.startswith("A study\nOf nothing\n\ntoy_grid (drawn), protocol quick@2 [")
    assert "beta_vae" in finished.out
    assert "steps=11" in finished.out.partition("MIG")[2], "a method's own setting stands in its line"
    assert "seed 0 failed: " in finished.out


def test_what_is_done_is_skipped_and_no_process_is_started(
    finished: Finished, data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worker.subprocess, "Popen", None)
    assert main(words(finished.folder / "good.yaml", data_dir)) == 0
    said = capsys.readouterr()
    assert "2 runs, 2 of them done already" in said.err
    assert "beta_vae" in said.out
    assert "killed" not in said.out, "only the runs of this study are shown"


def is_busy(folder: Path) -> bool:
    try:
        with RunFolder(folder).lock():
            return False
    except RunBusyError:
        return True


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL])
def test_an_interrupted_study_goes_on(number: int, tmp_path: Path, data_dir: Path) -> None:
    value = 'time.sleep(float(os.environ.get("SECONDS_PER_STEP", 0))) or p.mean.sum()'
    (tmp_path / "slow.py").write_text(PLUGIN.format(name="slow", value=value))
    path = write(tmp_path / "study.yaml", seeds="0-1", plugins=["slow.py"], methods=["slow"])
    command = [sys.executable, "-m", "disent_bench", *words(path, data_dir, num_workers=1)]
    slow = {**os.environ, "SECONDS_PER_STEP": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=slow) as process:
        deadline = time.monotonic() + 200
        running: list[Path] = []
        while not running:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
            logs = tmp_path.glob("runs/*/*/*/*/*/metrics.jsonl")
            running = [log.parent for log in logs if '"step": 1,' in log.read_text()]
        process.send_signal(number)
        _, said = process.communicate(timeout=200)
    if number == signal.SIGKILL:
        assert process.returncode == -number
        while is_busy(running[0]):
            assert time.monotonic() < deadline, "the worker outlives its study"
            time.sleep(0.01)
    else:
        assert process.returncode == 130, said
        assert said.splitlines()[-1] == "interrupted; the same command resumes from the last step"
    (begun,) = [path.parent for path in tmp_path.glob("runs/*/*/*/*/*/last.ckpt")]
    assert len(list(tmp_path.glob("runs/*/*/*/*/*/config.yaml"))) == 2, "every run is laid out before the first"
    assert not (begun / "result.json").exists()
    assert main(words(path, data_dir)) == 0
    assert len(list(tmp_path.glob("runs/*/*/*/*/*/result.json"))) == 2
    assert "resuming at step" in (begun / "output.log").read_text()


@pytest.mark.slow
def test_two_who_start_one_study_share_its_runs(tmp_path: Path, data_dir: Path) -> None:
    value = 'time.sleep(float(os.environ.get("SECONDS_PER_STEP", 0))) or p.mean.sum()'
    (tmp_path / "slow.py").write_text(PLUGIN.format(name="slow", value=value))
    path = write(tmp_path / "study.yaml", seeds="0-3", plugins=["slow.py"], methods=["slow"])
    command = [sys.executable, "-m", "disent_bench", *words(path, data_dir, num_workers=1)]
    slow = {**os.environ, "SECONDS_PER_STEP": ".5"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(command, text=True, env=slow, **pipes) for _ in range(2)]
    said = [process.communicate(timeout=250) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(results(tmp_path / "runs")) == 1
    assert len([*tmp_path.glob("runs/*/*/*/*/*/result.json")]) == 4
    for log in tmp_path.glob("runs/*/*/*/*/*/metrics.jsonl"):
        losses = [line for line in log.read_text().splitlines() if '"loss"' in line]
        assert len(losses) == len(set(losses)) == 10, "trained once"
    assert said[0][0] == said[1][0], "both print the whole table"
    by = [{line.partition(": ")[0] for line in err.splitlines() if ": done: " in line} for _, err in said]
    assert by[0] | by[1] == {f"slow on toy_grid, seed {seed}" for seed in range(4)}, said
    assert by[0], said
    assert by[1], said


@pytest.mark.slow
def test_a_budget_stops_a_study_in_time_and_the_same_command_goes_on(tmp_path: Path, data_dir: Path) -> None:
    value = 'time.sleep(float(os.environ.get("SECONDS_PER_STEP", 0))) or p.mean.sum()'
    (tmp_path / "slow.py").write_text(PLUGIN.format(name="slow", value=value))
    path = write(tmp_path / "study.yaml", seeds="0-1", plugins=["slow.py"], methods=["slow"])
    command = [sys.executable, "-m", "disent_bench", *words(path, data_dir, num_workers=2), "--budget", "20s"]
    slow = {**os.environ, "SECONDS_PER_STEP": "30"}
    done = subprocess.run(command, capture_output=True, text=True, env=slow, check=False, timeout=250)
    assert done.returncode == 130, done.stderr
    assert "the time of --budget is spent" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("interrupted")
    assert not [*tmp_path.glob("runs/*/*/*/*/*/result.json")]
    assert main([*words(path, data_dir), "--budget", "10m"]) == 0
    assert len([*tmp_path.glob("runs/*/*/*/*/*/result.json")]) == 2


SWALLOWS = """
try:
    os.kill(os.getpid(), signal.{number})
    time.sleep(60)
except KeyboardInterrupt:
    pass
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("verb", ["study", "run"])
def test_a_signal_that_a_library_swallows_is_obeyed_all_the_same(
    verb: str, number: str, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin, name = tmp_path / "swallows.py", f"{verb}_{number}"
    plugin.write_text(PLUGIN.format(name=name, value="p.mean.sum()") + SWALLOWS.format(number=number))
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    if verb == "study":
        line = words(write(tmp_path / "study.yaml", plugins=[plugin.name], methods=[name]), data_dir)
    else:
        line = ["run", "--method", name, "--plugin", str(plugin), "--dataset", "toy_grid", "--data-dir", str(data_dir)]
        line += ["--runs", str(tmp_path / "runs"), "--seeds", "0-1", "--set", "steps=2"]
    assert main(line) == 130
    assert "interrupted; the same command resumes" in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/*/*/*/*/*/metrics.jsonl")), "nothing was trained"
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_process_that_is_stopped_before_it_hears_signals_has_not_failed(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    began = tmp_path / "began"
    code = f"import pathlib, time\npathlib.Path({str(began)!r}).touch()\ntime.sleep(200)\n"
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def stop() -> None:
        while not began.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop, daemon=True).start()
    assert main(words(write(tmp_path / "study.yaml"), data_dir)) == 130
    said = capsys.readouterr().err
    assert "failed: " not in said
    assert said.splitlines()[-1].startswith("interrupted")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"methods": ["vae", "topdiss"]}, "study.yaml: topdiss: unknown method 'topdiss', did you mean 'topdis'?"),
        ({"methods": ["vae", {"method": "gmg", "settings": {"methods.gmg.sid": "x"}}]}, "did you mean 'methods.gmg.s"),
        ({"methods": ["vae", {"method": "vae", "setting": {}}]}, "unknown key of an entry of methods 'setting', did"),
        ({"methods": ["vae", {"settings": {}}]}, "an entry of methods lacks method"),
        ({"methods": ["vae", 3]}, "an entry of methods has the keys method, settings, sweep, grid; this is 3"),
        ({"methods": ["vae", "vae"]}, "vae: the same run as vae on toy_grid; keep one"),
        ({"methods": []}, "methods is empty"),
        ({"methods": "vae"}, "methods is a list, not 'vae'"),
        ({"datasets": ["toy_grid", "toy_gird"]}, "did you mean 'toy_grid'"),
        ({"protocol": "qick"}, "did you mean 'quick'"),
        ({"seeds": "2-0"}, "seeds 2-0 is empty"),
        ({"seeds": [0, 1]}, "seeds is a whole number or a word, not [0, 1]"),
        ({"setings": {}}, "unknown key of a study 'setings', did you mean 'settings'?"),
        ({"settings": {"steps": 0}}, "steps is at least 1"),
        ({"settings": {"network": "nothing"}}, "vae: unknown network 'nothing'; known: hsu2023"),
        ({"settings": {"sampler": "nothing"}}, "vae on toy_grid: "),
        ({"settings": {"evaluate_during": ["nothing"]}}, "evaluate_during names nothing"),
        ({"plugins": ["nowhere.py"]}, "nowhere.py' is not a file"),
        ({"plugins": "nowhere.py"}, "plugins is a list, not 'nowhere.py'"),
        ({"include": ["study.yaml"]}, "study.yaml includes itself"),
        ({"include": ["no_study"]}, "unknown study 'no_study'"),
        ({"include": [1]}, "each of include is a word, not 1"),
        ({"methods": [{"method": "vae", "sweep": {"steps": 3}}]}, "sweep gives steps a list of values, not 3"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(
    changed: dict[str, Any], message: str, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "study.yaml", **changed)
    disent_datasets.load("toy_grid", data_dir=data_dir)  # saying that it is drawn, or waited for
    capsys.readouterr()
    assert main(words(path, data_dir)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--launcher", "cloud"], "'cloud' (choose from 'local', 'packed', 'ray', 'slurm')"),
        (["--workers", "0"], "--workers is at least 1, not 0"),
        (["--retries", "-1"], "--retries is at least 0, not -1"),
        (["--cpus", "0"], "--cpus is at least 1, not 0"),
        (["--gpus", "-1"], "--gpus is at least 0, not -1.0"),
        (["--gpus", ".5"], "the launcher local takes --workers and --cpus"),
        (["--option", "partition"], "--option takes key=value, such as partition=gpu, not 'partition'"),
        (["--option", "mem_gb=1", "--option", "mem_gb=2"], "--option gives mem_gb twice; keep one"),
        (["--option", "partition=gpu"], "the launcher local takes --workers and --cpus"),
        (["--launcher", "slurm", "--address", "auto"], "--address is for ray"),
        (["--launcher", "slurm", "--gpus", ".5"], "Slurm gives whole GPUs, not 0.5; ray gives parts of one"),
        (["--launcher", "ray", "--option", "max_retry=3"], "did you mean 'max_retries'?"),
    ],
)
def test_bad_arguments_are_refused(
    more: list[str], message: str, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words(write(tmp_path / "study.yaml"), data_dir), *more]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_what_a_launcher_needs_is_said_where_it_is_not_installed(
    name: str, package: str, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main([*words(write(tmp_path / "study.yaml"), data_dir), "--launcher", name]) == 2
    assert f"pip install 'disent-bench[{name}]'" in capsys.readouterr().err
