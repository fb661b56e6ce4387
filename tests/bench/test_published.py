"""Published results: shown, loaded again, and those that come with this package."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import disent_bench as db
from disent_bench.cli.main import main
from disent_bench.leaderboard import published
from disent_bench.leaderboard.published import Suite, checked, is_verified, published_records
from disent_bench.leaderboard.records import Record
from disent_bench.leaderboard.rows import aggregate
from disent_bench.leaderboard.tables import tables
from disent_bench.runs import pretrained
from disent_bench.runs.submission import verify

pytestmark = pytest.mark.usefixtures("forgetting")
SUITE = "2030-01"
of_a_submission = pytest.mark.xdist_group("submission")  # it is made once


def call(*words: object) -> int:
    return main([str(word) for word in words])


def result(root: Path, method: str = "vae", seed: int = 0) -> Path:
    (path,) = root.glob(f"results/*/*/*/{method}/*/seed-{seed}/result.json")
    return path


@pytest.fixture
def shipped(submission: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy in place of what comes with the package."""
    monkeypatch.setattr(published, "shipped", lambda *parts: submission.parent.joinpath(*parts))
    monkeypatch.setattr(pretrained, "shipped", lambda *parts: submission.parent.joinpath(*parts))
    return submission


# Shown


@of_a_submission
def test_published_rows_stand_beside_own_ones_and_say_what_is_proven(
    shipped: Path, mixed_runs: Path, data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert call("verify", result(shipped, seed=1), "--write", "--data-dir", data_dir) == 0
    (shipped / "results" / "papers.csv").write_text("dataset,source,method,metric,mean,std\n")
    capsys.readouterr()
    assert call("leaderboard", "--runs", mixed_runs, "--published") == 0
    said = capsys.readouterr().out
    for name, seeds in (
        ("vae (2030-01, 1 of 2 verified)", "2/3"),
        ("my_method (2030-01, submitted)", "1"),
        ("vae", "2/3"),
    ):
        assert any(line.strip("* ").startswith(f"{name} ") and f" {seeds} " in line for line in said.splitlines()), name
    assert call("leaderboard", "--runs", mixed_runs) == 0
    assert "2030-01" not in capsys.readouterr().out
    (board,) = tables(aggregate(published_records()))
    assert [line.row.verified for line in board.lines] == [(), (1,)]
    frame = db.results()
    assert sorted(frame["verified"]) == [False, False, False, True]
    assert set(frame["suite"]) == {SUITE}
    assert "2030-01, 1 of 2 verified" in db.leaderboard().to_text("html")


@of_a_submission
def test_the_newest_suite_is_joined_unless_another_is_named(
    shipped: Path, mixed_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("submit", mixed_runs, "--evidence", "none") == 0
    assert [path.name for path in (tmp_path / "submission" / "results").iterdir()] == [SUITE]
    shutil.rmtree(shipped / "results")
    assert re.fullmatch(r"\d{4}-\d\d", published.newest_suite(tmp_path / "nowhere"))


@of_a_submission
def test_suites_are_told_apart_and_unknown_ones_named(shipped: Path) -> None:
    shutil.copytree(shipped / "results" / SUITE, shipped / "results" / "2031-06")
    assert {record.suite for record in published_records()} == {SUITE, "2031-06"}
    assert len(aggregate(published_records())) == 4
    assert {record.suite for record in published_records(suite="2031-06")} == {"2031-06"}
    with pytest.raises(ValueError, match="unknown suite '2031'"):
        published_records(suite="2031")


def test_published_results_are_read_without_torch(root: Path) -> None:
    code = "import disent_bench, sys; disent_bench.results(); assert 'torch' not in sys.modules, 'torch'"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Loaded


@of_a_submission
def test_a_published_model_is_one_line_away(shipped: Path, mixed_runs: Path, toy_images: torch.Tensor) -> None:
    module = db.load_pretrained("vae", "toy_grid", seed=1)
    original = db.load_run(next(mixed_runs.glob("*/*/vae/*/seed-1")))
    assert torch.equal(module.encode(toy_images), original.encode(toy_images))
    named = "no model of vae on toy_grid under quick, seed 7, is published; there are: vae on toy_grid under quick"
    with pytest.raises(ValueError, match=named):
        db.load_pretrained("vae", "toy_grid", seed=7)
    with pytest.raises(ValueError, match="unknown method 'topdiss'"):
        db.load_pretrained("topdiss", "toy_grid")
    first = result(shipped)
    whole = first.read_text()
    first.write_text(json.dumps({**json.loads(whole), "files": {}}))
    lowest = db.load_pretrained("vae", "toy_grid")
    assert torch.equal(lowest.encode(toy_images), original.encode(toy_images)), "the lowest seed that has a model"
    first.write_text(whole)
    _other_weights(shipped / "models")
    with pytest.raises(OSError, match="another file than its result names"):
        db.load_pretrained("vae", "toy_grid")


@pytest.fixture
def address(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Models that are not here but behind an address."""
    (shipped / "models").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "elsewhere"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@of_a_submission
def test_a_model_that_is_not_here_is_downloaded_once_and_checked(
    address: str, tmp_path: Path, toy_images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(pretrained.ADDRESS, raising=False)
    with pytest.raises(OSError, match="set DISENT_MODELS"):
        db.load_pretrained("vae", "toy_grid")
    monkeypatch.setenv(pretrained.ADDRESS, address)
    codes = db.load_pretrained("vae", "toy_grid").encode(toy_images)
    shutil.rmtree(tmp_path / "elsewhere" / SUITE / "quick" / "toy_grid" / "vae")
    assert torch.equal(codes, db.load_pretrained("vae", "toy_grid").encode(toy_images))
    with pytest.raises(OSError, match="cannot be had from"):
        db.load_pretrained("vae", "toy_grid", seed=1)


@of_a_submission
def test_a_download_that_is_another_file_is_not_kept(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pretrained.ADDRESS, address)
    _other_weights(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="cannot be had from"):
        db.load_pretrained("vae", "toy_grid")
    assert not [*(tmp_path / "cache").rglob("*.safetensors")]


def _other_weights(models: Path) -> None:
    (path,) = models.glob("*/*/*/vae/*/seed-0.safetensors")
    shutil.copy(path.with_name("seed-1.safetensors"), path)


# What comes with this package


def test_what_is_published_here_is_valid_and_what_is_proven_says_so(root: Path) -> None:
    for path in (root / "experiments" / "results").glob("*/**/result.json"):
        document = checked(path)
        suite = Suite.read(path.parents[5])
        assert suite.with_result(document).versions == suite.versions
        assert is_verified(path) == bool(document.get("files"))


PROVEN = [record for record in published_records() if record.files]


@pytest.mark.slow
@pytest.mark.parametrize("record", PROVEN, ids=[f"{r.method}-{r.dataset}-{r.seed}" for r in PROVEN])
def test_what_is_published_here_is_recomputed(record: Record, data_dir: Path) -> None:
    verdict = verify(record.path, data_dir=data_dir)
    assert verdict.differing == {}
    assert verdict.unproven == ()


def test_the_models_here_are_those_that_results_name_and_not_too_large(root: Path) -> None:
    models = root / "experiments" / "models"
    named = {pretrained.model_file(record): record for record in published_records() if "model" in record.files}
    files = {path for path in models.rglob("*") if path.is_file()}
    assert files == set(named)
    assert sum(path.stat().st_size for path in files) <= 40_000_000
