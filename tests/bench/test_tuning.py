"""Studies that choose settings on seeds of their own."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
import yaml
from disent_metrics.functional import unsupervised_disentanglement_ranking

import disent_bench as db
from disent_bench.cli.main import main
from disent_bench.leaderboard.records import read_records, reported
from disent_bench.leaderboard.rows import aggregate
from disent_bench.runs.folder import RunFolder
from disent_bench.studies import worker
from disent_bench.studies.reading import read_study
from disent_bench.studies.study import resolve_study
from disent_bench.studies.tuning import UDR_IMAGES, expanded

BETAS = [2.0, 50.0]
STUDY: dict[str, Any] = {
    "title": "A study that chooses",
    "protocol": "quick",
    "datasets": ["toy_grid"],
    "seeds": 0,
    "settings": {
        "steps": 30,
        "batch_size": 16,
        "evaluate_every": 0,
        "scores.scores": ["mig", "reconstruction"],
        "scores.num_train": 200,
        "image_size": 32,
        "network": "roth2023_32",
    },
    "tuning": {"seeds": "100-101", "by": "reconstruction_mse"},
    "methods": ["vae", {"method": "beta_vae", "grid": {"methods.beta_vae.beta": BETAS}}],
}


def write(path: Path, **changed: Any) -> Path:
    path.write_text(yaml.safe_dump({**STUDY, **changed}))
    return path


def words(path: Path, data_dir: Path) -> list[str]:
    options = ["--runs", path.parent / "runs", "--data-dir", data_dir, "--device", "cpu", "--workers", "2"]
    return [str(word) for word in ("study", path, *options)]


pytestmark = pytest.mark.xdist_group("tuning")  # one study for all


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    assert main(words(write(folder / "study.yaml"), data_dir)) == 0
    return folder


def seeds(runs: Path) -> dict[tuple[str, float | None], list[int]]:
    """Seeds that were run, by method and beta."""
    found: dict[tuple[str, float | None], list[int]] = {}
    for record in sorted(read_records(runs), key=lambda record: record.seed):
        beta = record.config["methods"].get("beta_vae", {}).get("beta")
        found.setdefault((record.method, beta), []).append(record.seed)
    return found


def test_the_best_setting_alone_is_run_on_the_seeds_that_are_reported(tuned: Path) -> None:
    trials = [record for record in read_records(tuned / "runs") if record.seed >= 100]
    means = {
        beta: fmean(r.scores["reconstruction_mse"] for r in trials if r.config["methods"]["beta_vae"]["beta"] == beta)
        for beta in BETAS
    }
    best, other = sorted(BETAS, key=means.__getitem__)  # a lower error is better
    assert means[best] < means[other]
    assert seeds(tuned / "runs") == {
        ("vae", None): [0],
        ("beta_vae", best): [0, 100, 101],
        ("beta_vae", other): [100, 101],
    }


def test_tables_leave_trials_out_and_say_how_settings_were_chosen(
    tuned: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "chosen of 2 settings by mean reconstruction_mse over seeds 100-101 (4 trials)"
    for line in (words(tuned / "study.yaml", data_dir), ["leaderboard", "--runs", str(tuned / "runs")]):
        assert main(line) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert shown.count("beta_vae [") == 2, "one line and its note"
        assert said in shown
    rows = aggregate(reported(read_records(tuned / "runs")))
    assert {row.method: row.seeds for row in rows} == {"vae": (0,), "beta_vae": (0,)}
    assert main(["leaderboard", "--runs", str(tuned / "runs"), "--format", "json"]) == 0
    document = {row["method"]: row["tuning"] for row in json.loads(capsys.readouterr().out)}
    assert document["vae"] is None
    assert (document["beta_vae"]["trials"], document["beta_vae"]["seeds"]) == (4, [100, 101])
    frame = db.results(tuned / "runs")
    assert sorted(frame[frame["trial"]]["seed"]) == [100, 100, 101, 101]
    assert len(db.leaderboard(tuned / "runs").to_frame()) == 2


def test_a_second_call_chooses_the_same_and_runs_nothing(
    tuned: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.subprocess, "Popen", None)
    assert main(words(tuned / "study.yaml", data_dir)) == 0


def test_chosen_by_agreement_without_labels(tuned: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against UDR of the same models, encoded image by image; the trials are there already."""
    study = write(tuned / "agreement.yaml", tuning={"seeds": "100-101", "by": "udr"})
    assert main(words(study, data_dir)) == 0
    grid = dd.load("toy_grid", data_dir=data_dir, image_size=32)
    indices = np.random.default_rng(0).choice(grid.available, size=UDR_IMAGES)
    values = {}
    for beta in BETAS:
        codes = []
        for record in read_records(tuned / "runs"):
            if record.seed >= 100 and record.config["methods"]["beta_vae"]["beta"] == beta:
                images = np.moveaxis(grid.images(indices), 3, 1) / np.float32(grid.scale)
                codes.append(db.load_run(record.folder).encode(db_tensor(images)))
        values[beta] = unsupervised_disentanglement_ranking(codes).mean()
    best = max(BETAS, key=values.__getitem__)
    assert f"[methods.beta_vae.beta={best}] on toy_grid: best mean udr over seeds 100-101" in capsys.readouterr().err


def db_tensor(images: Any) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))


def test_grids_are_expanded_in_order() -> None:
    assert expanded({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]
    assert expanded({}) == [{}]


def test_the_study_in_the_docs_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
    (tmp_path / "study.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    assert len(resolve_study(read_study(tmp_path / "study.yaml"))) == 4


def test_each_data_set_is_tuned_by_itself(tmp_path: Path, data_dir: Path) -> None:
    study = read_study(write(tmp_path / "study.yaml", datasets=["toy_grid", "dsprites"]))
    groups = [variant.group for variant in resolve_study(study, "cpu", data_dir)]
    assert groups == [None, ("toy_grid", 1), ("toy_grid", 1), None, ("dsprites", 1), ("dsprites", 1)]


def test_a_damaged_note_of_trials_is_named_and_its_run_left_out(
    tmp_path: Path, tuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = next(r for r in read_records(tuned / "runs") if r.is_trial)
    folder = RunFolder(record.folder)
    before = folder.tuning.read_text()
    try:
        for damage in ("{", "[]", '{"seeds": [100]}'):
            folder.tuning.write_text(damage)
            assert record.seed not in [r.seed for r in read_records(tuned / "runs") if r.key == record.key]
            assert f"left out {record.path}" in capsys.readouterr().err
    finally:
        folder.tuning.write_text(before)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tuning": {"seeds": "0-1", "by": "mig"}}, "others than those reported; seed 0 is in both"),
        ({"tuning": {"seeds": "100", "by": "udr"}}, "udr compares models of several seeds"),
        ({"tuning": {"seeds": "100-101", "by": "migg"}}, "unknown score to choose by 'migg', did you mean 'mig'?"),
        ({"tuning": {"seeds": "100-101"}}, "tuning lacks by"),
        ({"tuning": {"seed": 3, "by": "mig"}}, "unknown key of tuning 'seed', did you mean 'seeds'?"),
        ({"tuning": {}}, "a grid of settings needs tuning"),
        ({"methods": ["vae"]}, "and tuning a grid"),
        ({"methods": [{"method": "vae", "grid": {"steps": 3}}]}, "grid gives steps a list of values, not 3"),
        ({"methods": [{"method": "vae", "grid": {"steps": []}}]}, "grid gives steps a list of values, not []"),
        ({"methods": [{"method": "vae", "grid": {"stepz": [3]}}]}, "did you mean 'steps'?"),
        ({"methods": [{"method": "vae", "grid": {"steps": [3, 3]}}]}, "the same run as vae [steps=3]"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(
    changed: dict[str, Any], message: str, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dd.load("toy_grid", data_dir=data_dir)  # saying that it is drawn, or waited for
    capsys.readouterr()
    assert main(words(write(tmp_path / "study.yaml", **changed), data_dir)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
