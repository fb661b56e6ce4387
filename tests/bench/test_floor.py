"""Scores of untrained networks are computed once for all runs that start from the same one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from disent_bench.cli.main import main
from disent_bench.leaderboard.records import Record, read_records
from disent_bench.runs.folder import FLOORS

pytestmark = pytest.mark.usefixtures("no_pictures")
SMALL = {"image_size": 32, "network": "roth2023_32", "steps": 2, "batch_size": 8, "evaluate_every": 0}
SCORES = {"scores.scores": ["mig", "reconstruction"], "scores.num_train": 200}
COMPUTED, KNOWN = "scoring the untrained encoder", "the floor of the table is known"


def run(capsys: pytest.CaptureFixture[str], runs: Path, data_dir: Path, method: str, **settings: Any) -> str:
    """Run a method and return what was said."""
    words = ["run", "--method", method, "--dataset", "toy_grid", "--runs", str(runs), "--data-dir", str(data_dir)]
    changes = {**SMALL, **SCORES, **settings}
    options = [f"{name}={json.dumps(value) if isinstance(value, list) else value}" for name, value in changes.items()]
    assert main([*words, "--device", "cpu", *(word for option in options for word in ("--set", option))]) == 0
    return capsys.readouterr().err


def by_method(runs: Path) -> dict[str, Record]:
    return {record.method: record for record in read_records(runs)}


def test_methods_share_what_they_start_from(tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert COMPUTED in run(capsys, tmp_path / "a", data_dir, "vae")
    for method in ("beta_vae", "factor_vae"):  # the latter has a discriminator beside its networks
        said = run(capsys, tmp_path / "a", data_dir, method)
        assert KNOWN in said
        assert COMPUTED not in said
    assert len(list((tmp_path / "a" / FLOORS).glob("*.json"))) == 1
    assert COMPUTED in run(capsys, tmp_path / "b", data_dir, "beta_vae")
    shared, alone = by_method(tmp_path / "a"), by_method(tmp_path / "b")
    assert shared["beta_vae"].untrained == alone["beta_vae"].untrained == shared["vae"].untrained
    assert shared["beta_vae"].scores == alone["beta_vae"].scores, "training is not disturbed by what was known"
    logged = [json.loads(line) for line in (shared["beta_vae"].folder / "metrics.jsonl").read_text().splitlines()]
    assert logged[0]["scores/mig"] == shared["vae"].untrained["mig"]


@pytest.mark.parametrize(
    "changed",
    [{"latent_dim": 6}, {"scores.num_train": 201}, {"precision": "bf16"}, {"network": "locatello2019_32"}],
    ids=str,
)
def test_what_differs_is_computed_by_itself(
    changed: dict[str, Any], tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, tmp_path, data_dir, "vae")
    assert KNOWN not in run(capsys, tmp_path, data_dir, "vae", **changed)
    assert len(list((tmp_path / FLOORS).glob("*.json"))) == 2


def test_a_method_without_a_decoder_has_a_floor_of_its_own(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, tmp_path, data_dir, "vae")
    assert COMPUTED in run(capsys, tmp_path, data_dir, "hfs_decoder_free")
    assert "reconstruction_mse" not in by_method(tmp_path)["hfs_decoder_free"].untrained


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"mig": "x"}'])
def test_damaged_scores_are_computed_again(
    damage: str, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, tmp_path, data_dir, "vae")
    (kept,) = (tmp_path / FLOORS).glob("*.json")
    before = kept.read_text()
    kept.write_text(damage)
    assert COMPUTED in run(capsys, tmp_path, data_dir, "beta_vae")
    assert kept.read_text() == before


def test_a_place_that_cannot_be_written_keeps_nothing(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FLOORS).write_text("a file")
    for method in ("vae", "beta_vae"):
        assert COMPUTED in run(capsys, tmp_path, data_dir, method)
    assert (tmp_path / FLOORS).read_text() == "a file"


def test_a_folder_that_was_moved_keeps_nothing_around_it(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, tmp_path / "runs", data_dir, "vae")
    folder = by_method(tmp_path / "runs")["vae"].folder
    moved = tmp_path / "x" / "y" / "z" / "mine"
    moved.mkdir(parents=True)
    shutil.copy(folder / "config.yaml", moved)
    assert main(["resume", str(moved), "--data-dir", str(data_dir), "--device", "cpu"]) == 0
    assert COMPUTED in capsys.readouterr().err
    assert not list(tmp_path.rglob(f"x/**/{FLOORS}"))
    assert not (tmp_path / FLOORS).exists()


def test_scoring_again_shares_the_floor_as_well(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for method in ("vae", "beta_vae"):
        run(capsys, tmp_path, data_dir, method)
        run(capsys, tmp_path, data_dir, method, **{"scores.num_train": 300})
    assert len(list((tmp_path / FLOORS).glob("*.json"))) == 2
    assert len(read_records(tmp_path)) == 4
