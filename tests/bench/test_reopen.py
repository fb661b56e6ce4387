"""A folder alone is enough to run, resume, load and score a run; more steps go on where fewer ended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from disent_datasets import load

import disent_bench
from disent_bench.cli.main import main
from disent_bench.config.resolve import resolve
from disent_bench.leaderboard.records import read_records
from disent_bench.leaderboard.rows import aggregate
from disent_bench.leaderboard.tables import tables
from disent_bench.runs.folder import RunFolder
from disent_bench.runs.result import Result
from disent_bench.runs.train import Outcome, lay_out, run, run_folder

pytestmark = [pytest.mark.usefixtures("no_pictures"), pytest.mark.xdist_group("reopen")]  # one finished run for all

SHORT = {
    "steps": 12,
    "batch_size": 8,
    "log_every": 1,
    "checkpoint_every": 5,
    "evaluate_every": 4,
    "methods.topdis.delay": 3,
    "terms.kl.weight": {"kind": "pi", "target": 5, "ki": -0.01, "every": 10},
    "scores.scores": ["mig"],
    "scores.num_train": 200,
    "scores.num_test": 100,
}


def bring(runs: Path, data_dir: Path, method: str = "topdis", **changed: Any) -> Outcome:
    config = resolve(method, "toy_grid", "quick", overrides={**SHORT, **changed})
    return run(config, 0, runs=runs, data_dir=data_dir, say=lambda line: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Outcome:
    return bring(tmp_path_factory.mktemp("finished"), data_dir)


@pytest.fixture
def copied(finished: Outcome, tmp_path: Path) -> Path:
    """A copy of the finished run, to change; its folder."""
    import shutil

    shutil.copytree(finished.folder.parents[4], tmp_path / "runs")
    return tmp_path / "runs" / finished.folder.relative_to(finished.folder.parents[4])


def test_a_folder_gives_the_module_that_was_scored(finished: Outcome, data_dir: Path) -> None:
    state = torch.get_rng_state()
    module = disent_bench.load_run(finished.folder)
    assert torch.equal(torch.get_rng_state(), state)
    assert not module.training
    images = torch.from_numpy(load("toy_grid", data_dir=data_dir).images(np.arange(5))).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        codes = module.encode(images)
        decoded = module.decode(codes)
    assert codes.shape == (5, 10)
    assert torch.equal(codes, disent_bench.load_run(str(finished.folder)).encode(images))
    assert decoded.shape == images.shape
    assert 0 <= float(decoded.min()) <= float(decoded.max()) <= 1
    error = (decoded - images).square().mean()
    untrained = torch.full_like(images, 0.5)
    assert error < (untrained - images).square().mean(), "it is the trained network"


def test_what_cannot_be_loaded_is_said(tmp_path: Path, copied: Path) -> None:
    with pytest.raises(ValueError, match="is not the folder of a run"):
        disent_bench.load_run(tmp_path)
    (copied / "last.ckpt").unlink()
    with pytest.raises(ValueError, match="has no checkpoint"):
        disent_bench.load_run(copied)


def test_a_folder_that_is_laid_out_runs_like_the_command(finished: Outcome, tmp_path: Path, data_dir: Path) -> None:
    config = resolve("topdis", "toy_grid", "quick", overrides=SHORT)
    _, folder = lay_out(config, 0, load("toy_grid", data_dir=data_dir), tmp_path)
    assert folder.state() == "new"
    outcome = run_folder(folder.path, data_dir=data_dir, say=lambda line: None)
    assert (outcome.status, outcome.key) == ("done", finished.key)
    ours, theirs = (torch.load(path / "last.ckpt", weights_only=True) for path in (folder.path, finished.folder))
    assert all(torch.equal(v, theirs["state_dict"][k]) for k, v in ours["state_dict"].items() if torch.is_tensor(v))
    assert Result.read(folder.result).scores == Result.read(finished.folder / "result.json").scores
    assert main(["resume", str(folder.path), "--data-dir", str(data_dir)]) == 0


def test_what_goes_wrong_in_a_folder_is_recorded_in_it(copied: Path, tmp_path: Path, data_dir: Path) -> None:
    (copied / "result.json").unlink()
    config = copied / "config.yaml"
    config.write_text(config.read_text().replace("fingerprint: ", "fingerprint: 0"))
    assert main(["resume", str(copied), "--data-dir", str(data_dir)]) == 1
    assert "holds other images" in json.loads((copied / "failure.json").read_text())["reason"]
    assert main(["resume", str(tmp_path)]) == 2


def test_more_steps_go_on_where_fewer_ended_and_equal_a_run_of_that_length(
    copied: Path, tmp_path: Path, data_dir: Path
) -> None:
    runs, said = copied.parents[4], []
    config = resolve("topdis", "toy_grid", "quick", overrides={**SHORT, "steps": 20})
    longer = run(config, 0, runs=runs, data_dir=data_dir, say=said.append)
    assert said[0].startswith("starting from step 12, where ")
    whole = bring(tmp_path / "whole", data_dir, steps=20)
    assert longer.key == whole.key
    ours, theirs = (torch.load(each.folder / "last.ckpt", weights_only=True) for each in (longer, whole))
    assert all(torch.equal(v, theirs["state_dict"][k]) for k, v in ours["state_dict"].items() if torch.is_tensor(v))
    assert str(ours["optimizer_states"]) == str(theirs["optimizer_states"])
    results = [Result.read(each.folder / "result.json") for each in (longer, whole)]
    assert results[0].scores == results[1].scores
    assert results[0].untrained == results[1].untrained
    logs = [(each.folder / "metrics.jsonl").read_text().splitlines() for each in (longer, whole)]
    assert [json.loads(line)["step"] for line in logs[0] if "raw/kl" in line] == list(range(1, 21))
    shown = [[json.loads(line).get("raw/kl") for line in log] for log in logs]
    assert [value for value in shown[0] if value] == [value for value in shown[1] if value]
    assert (copied / "result.json").exists()


def test_scoring_alone_does_not_train_again(copied: Path, data_dir: Path, tmp_path: Path) -> None:
    before = (copied / "last.ckpt").stat().st_mtime_ns
    outcome = bring(copied.parents[4], data_dir, **{"scores.num_train": 300})
    assert (outcome.status, outcome.folder) == ("done", copied)
    assert (copied / "last.ckpt").stat().st_mtime_ns == before
    (more,) = (copied / "scores").glob("quick-*.json")
    whole = bring(tmp_path / "whole", data_dir, **{"scores.num_train": 300})
    alone = Result.read(whole.folder / "result.json")
    assert Result.read(more).scores == alone.scores
    assert Result.read(more).untrained == alone.untrained, "the floor is that of the network of the same seed"
    assert Result.read(more).scoring == alone.scoring
    assert bring(copied.parents[4], data_dir, **{"scores.num_train": 300}).status == "skipped"
    titles = {table.title for table in tables(aggregate(read_records(copied.parents[4])))}
    assert len(titles) == 2
    assert all("protocol quick@2 [" in title for title in titles)


def test_finished_runs_are_scored_under_another_protocol(
    copied: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = copied.parents[4]
    words = ["score", str(runs), "--protocol", "locatello2019", "--data-dir", str(data_dir)]
    small = ["--set", "scores.scores=[mig,sap]", "scores.num_train=400", "scores.num_test=200"]
    assert main([*words, *small]) == 0
    (path,) = (copied / "scores").iterdir()
    result = Result.read(path)
    assert (result.protocol, result.scoring.label) == ("quick", "locatello2019@2")
    assert set(result.scores) == {"mig", "sap"} == set(result.untrained)
    assert main([*words, *small]) == 0
    assert "scored already" in capsys.readouterr().err
    titles = [table.title for table in tables(aggregate(read_records(runs)))]
    assert any("protocol quick, scores of locatello2019@2 [" in title for title in titles)
    assert main([*words, "--set", "steps=3"]) == 2
    assert "score changes how runs are scored" in capsys.readouterr().err
    assert main(["score", str(copied / "tensorboard")]) == 2


def test_a_result_says_where_it_comes_from(finished: Outcome, root: Path) -> None:
    said = Result.read(finished.folder / "result.json").environment
    assert said["torch"] == torch.__version__
    assert said["disent_bench"] == disent_bench.__version__
    assert said["processor"] not in ("", "x86_64")
    assert said["wall_seconds"] > 0
    assert 0 < said["device_seconds"] <= said["wall_seconds"]
    assert said["threads"] == torch.get_num_threads()
    if (root / ".git").exists() and shutil.which("git"):
        assert len(said["commit"]) == 40
        assert said["uncommitted_changes"] in (True, False)
    content = RunFolder(finished.folder).read_config()
    assert content["versions"]["term topological"] == 1
    assert content["versions"]["data toy_grid"] == 1
