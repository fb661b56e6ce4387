from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from disent_bench.cli.main import main
from disent_bench.config.values import parse_overrides, parse_seeds


def call(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(("text", "seeds"), [("0", [0]), ("0-2", [0, 1, 2]), ("3,0-1,1", [3, 0, 1])])
def test_seeds(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "-1", "2-1", "0..3", "1,,2", "0-99999999999", "0-20000", "4294967296", "9" * 5000]
)
def test_bad_seeds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--seeds"):
        parse_seeds(text)


@pytest.mark.parametrize("words", [["steps"], ["=3"], ["steps=1", "steps=2"]])
def test_bad_overrides_are_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="--set"):
        parse_overrides([words])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--method", "topdiss"], "unknown method 'topdiss', did you mean 'topdis'? known: "),
        (["run", "--method", "vae", "--dataset", "dsprite"], "did you mean 'dsprites'"),
        (["run", "--method", "vae", "--protocol", "qick"], "unknown protocol 'qick', did you mean 'quick'"),
        (["run", "--method", "vae", "--seeds", "x"], "--seeds takes"),
        (["run", "--method", "vae", "--set", "steps"], "--set takes key=value"),
        (["run", "--method", "vae", "--set", "stpes=3"], "did you mean 'steps'"),
        (["run", "--method", "vae", "--plugin", "nowhere.py"], "plugin 'nowhere.py' is not a file"),
        (["run", "--method", "vae", "--source", "nowhere", "--dataset", "toy_grid"], "has no source 'nowhere'"),
        (["run", "--method", "vae", "--threads", "0"], "--threads is at least 1, not 0"),
        (["run", "--method", "vae", "--threads", "two"], "--threads is a whole number, not two"),
        (["run", "--method", "beta_vae", "--set", "beta=6"], "did you mean 'methods.beta_vae.beta'?"),
        (["run", "--method", "vae", "--set", "batch_size=1000000000000"], "batch_size is at most 1000000"),
        (["run", "--method", "vae", "--set", "scores.scores=mig"], "is a list of names such as [mig, dci], not 'mig'"),
        (["run", "--method", "vae", "--set", "scores.scores=null"], "is a list of names such as [mig, dci], not None"),
        (["run", "--method", "vae", "--set", "scores.seed=-1"], "a whole number from 0 to 4294967295, not -1"),
        (["run", "--method", "vae", "--set", "scores.num_bins=1e12"], "a whole number from 1 to 1000000000"),
        (["run", "--method", "vae", "--set", "scores.mig=5"], "holds settings of the score by name, not 5"),
        (["run", "--method", "vae", "--set", "steps=[&a [1], *a]"], "aliases are not read (line 1, column 10)"),
        (["run", "--method", "vae", "--set", "steps=" + "[" * 5000], "nested too deeply"),
        (["run", "--method", "vae", "--set", "steps={a: 1, a: 2}"], "a is given twice (line 1, column 8)"),
        (["run", "--method", "vae", "--set", "steps=!!set {1, 2}"], "tags such as tag:yaml.org,2002:set are not read"),
        (["run", "--method", "vae", "--set", "steps=!!timestamp x"], "tags such as tag:yaml.org,2002:timestamp"),
        (["run", "--method", "vae", "--set", "steps={[1]: 2}"], "unhashable key"),
        (["run", "--method", "vae", "--set", "steps=2026-11-26"], "steps"),
        (["run", "--method", "vae" * 10_000], "unknown method 'vaevae"),
        (["leaderboard", "--runs", __file__], "test_cli.py is a file, not the folder of runs"),
        (["status", "--runs", __file__], "test_cli.py is a file, not the folder of runs"),
        (["run"], "required"),
        (["run", "--method", "vae", "--stpes", "3"], "--stpes"),
        (["rnu"], "rnu"),
        ([], "verb"),
        (["list", "mehtods"], "mehtods"),
        (["leaderboard", "--format", "word"], "word"),
        (["data", "prepare"], "takes the name of a data set"),
        (["data", "prepare", "dsprite"], "did you mean 'dsprites'"),
        (["evaluate", "--codes", "nowhere.npy", "--factors", "nowhere.npy"], "nowhere.npy: No such file"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = call(*arguments, capsys=capsys)
    assert status == 2
    assert out == ""
    assert message.replace("'", "") in err.replace("'", "")
    assert len(err.splitlines()) == 1
    assert len(err) < 500
    assert not list(tmp_path.iterdir()), "bad input leaves nothing behind"


def test_a_plugin_that_fails_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text("import nothing_of_this_name")
    status, _, err = call("run", "--method", "vae", "--plugin", plugin, capsys=capsys)
    assert status == 2
    assert "ModuleNotFoundError" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("what", ["methods", "terms", "datasets", "protocols"])
def test_lists(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call("list", what, "--json", capsys=capsys)
    assert status == 0
    names = {entry["name"] for entry in json.loads(out)}
    assert names & {"topdis", "topological", "dsprites", "quick"}
    _, plain, _ = call("list", what, capsys=capsys)
    assert {line.split()[0] for line in plain.splitlines()} == names


def test_the_list_of_data_sets_says_their_licences(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call("list", "datasets", capsys=capsys)
    (line,) = (line for line in out.splitlines() if line.startswith("smallnorb "))
    assert line.split(maxsplit=1)[1] == "SmallNORB (licence: research use only, must not be sold)"
    found = {entry["name"]: entry for entry in json.loads(call("list", "datasets", "--json", capsys=capsys)[1])}
    assert found["shapes3d"]["licence"] == "Apache-2.0"
    assert (found["shapes3d"]["summary"], "Burgess" in found["shapes3d"]["paper"]) == ("3D Shapes", True)


def test_an_empty_runs_folder_says_how_to_fill_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("status", "leaderboard"):
        status, out, _ = call(verb, "--runs", tmp_path / "none", capsys=capsys)
        assert status == 0
        assert "disent-bench run --method topdis" in out
    assert json.loads(call("leaderboard", "--runs", tmp_path, "--format", "json", capsys=capsys)[1]) == []


def test_run_status_and_leaderboard(tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, output = tmp_path / "runs", tmp_path / "table.csv"
    short = ["steps=3", "batch_size=8", "log_every=1", "scores.scores=[mig]", "scores.num_train=200"]
    arguments = ["run", "--method", "vae", "--dataset", "toy_grid", "--seeds", "0-1", "--runs", runs]
    status, _, err = call(*arguments, "--data-dir", data_dir, "--set", *short, capsys=capsys)
    assert status == 0, err
    _, out, _ = call("status", "--runs", runs, capsys=capsys)
    title, *lines = out.splitlines()
    assert title.startswith('quick/toy_grid  [batch_size=8, scores.num_train=200, scores.scores=["mig"], steps=3')
    assert [line.split()[:2] for line in lines] == [["done", "3/3"]] * 2
    status, out, _ = call("leaderboard", "--runs", runs, "--format", "json", capsys=capsys)
    (row,) = json.loads(out)
    assert (row["protocol"], row["dataset"], row["source"], row["method"]) == ("quick", "toy_grid", "drawn", "vae")
    assert (row["seeds"], row["failed"]) == ([0, 1], [])
    assert set(row["scores"]["mig"]) == {"mean", "std", "ci95", "n", "higher_is_better", "values", "crashed"}
    status, out, _ = call("leaderboard", "--runs", runs, capsys=capsys)
    assert "vae" in out
    call("leaderboard", "--runs", runs, "--format", "csv", "--output", output, capsys=capsys)
    assert "mig_mean" in output.read_text()


def test_threads_change_no_number(tmp_path: Path, data_dir: Path) -> None:
    words = ["run", "--method", "beta_tcvae", "--dataset", "toy_grid", "--data-dir", str(data_dir)]
    words += ["--set", "steps=5", "log_every=1", "evaluate_every=0", "scores.scores=[mig]", "scores.num_train=200"]
    before, logs, threads = (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]), [], []
    for number in ("1", "3"):
        assert main([*words, "--threads", number, "--runs", str(tmp_path / number)]) == 0
        (result,) = (tmp_path / number).rglob("result.json")
        threads.append(json.loads(result.read_text())["environment"]["threads"])
        lines = [json.loads(line) for line in result.with_name("metrics.jsonl").read_text().splitlines()]
        logs.append([line["loss"] for line in lines if "loss" in line])
    assert threads == [1, 3]
    assert (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]) == before
    assert logs[0] == logs[1]
    assert len(logs[0]) == 5


@pytest.mark.parametrize("ending", [".npy", ".npz", ".csv", ".pt"])
def test_evaluate_reads_files(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factors = np.random.default_rng(0).integers((3, 4), size=(600, 2))
    arrays = {"codes": factors + 0.25, "factors": factors}
    for name, array in arrays.items():
        path = tmp_path / f"{name}{ending}"
        match ending:
            case ".npy":
                np.save(path, array)
            case ".npz":
                np.savez(path, array)
            case ".csv":
                np.savetxt(path, array, delimiter=",", header="a,b", comments="", fmt="%g")
            case ".pt":
                torch.save(torch.from_numpy(array), path)
    given = ["evaluate", "--codes", tmp_path / f"codes{ending}", "--factors", tmp_path / f"factors{ending}"]
    status, out, err = call(*given, "--json", capsys=capsys)
    assert status == 0, err
    result = json.loads(out)
    assert result["protocol"] == "locatello2019"
    assert result["scores"]["mig"] > 0.9
    assert any("no test set given" in note for note in result["notes"])
    _, plain, _ = call(*given, capsys=capsys)
    assert "mig" in plain


def test_evaluate_refuses_what_is_no_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "codes.npy"
    bad.write_bytes(b"nothing")
    factors = tmp_path / "factors.txt"
    factors.write_text("1")
    for path, message in ((bad, "cannot be read as an array"), (factors, "is not a .npy")):
        status, _, err = call("evaluate", "--codes", path, "--factors", factors, capsys=capsys)
        assert status == 2
        assert message in err


def test_the_module_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "disent_bench", "run", "--method", "topdiss"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("disent-bench: unknown method")
