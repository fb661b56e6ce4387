"""The names a notebook uses: the same runs, scores and tables as the command line's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import disent_datasets as dd
import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.data import DataLoader

import disent_bench as db
from disent_bench.cli.main import main
from disent_bench.config import protocols

pytestmark = pytest.mark.xdist_group("front")  # two runs for many

FEW = {"steps": 4, "batch_size": 8, "evaluate_every": 0, "scores.scores": ("mig",), "scores.num_train": 200}
SCORES = {"scores": ["mig", "dci"], "num_train": 400, "num_test": 200}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """Two methods with two seeds each, made from Python."""
    folder = tmp_path_factory.mktemp("front") / "runs"
    for method in ("vae", "beta_vae"):
        ended = db.run(method, "toy_grid", seeds=range(2), set=FEW, runs=folder, data_dir=data_dir, device="cpu")
        assert [outcome.status for outcome in ended] == ["done", "done"]
    return folder


def test_a_run_is_that_of_the_command_line(runs: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["steps=4", "batch_size=8", "evaluate_every=0", "scores.scores=[mig]", "scores.num_train=200"]
    folders = ["--runs", str(runs), "--data-dir", str(data_dir), "--device", "cpu"]
    assert main(["run", "--method", "vae", "--dataset", "toy_grid", "--seeds", "0-1", *folders, "--set", *words]) == 0
    assert capsys.readouterr().err.count("already done") == 2
    again = db.run("vae", "toy_grid", seeds="0-1", set=FEW, runs=str(runs), data_dir=str(data_dir), device="cpu")
    assert [outcome.status for outcome in again] == ["skipped", "skipped"]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"method": "topdiss"}, "did you mean 'topdis'"),
        ({"seeds": -1}, "seeds takes numbers and ranges"),
        ({"seeds": [0, "a"]}, "seeds takes numbers and ranges"),
        ({"set": {"stepz": 1}}, "did you mean 'steps'"),
        ({"protocol": "fast"}, "unknown protocol 'fast'"),
        ({"loggers": ["paper"]}, "paper"),
    ],
)
def test_mistakes_are_one_line(changed: dict[str, Any], line: str, tmp_path: Path, data_dir: Path) -> None:
    with pytest.raises(ValueError, match=line):
        db.run(**{"method": "vae", "dataset": "toy_grid", "runs": tmp_path, "data_dir": data_dir, **changed})
    assert not any(tmp_path.iterdir())


def test_a_leaderboard_is_that_of_the_command_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = db.leaderboard(runs)
    assert main(["leaderboard", "--runs", str(runs)]) == 0
    assert str(board) == capsys.readouterr().out
    assert json.loads(board.to_text("json"))
    frame = board.to_frame()
    assert list(frame["method"]) == ["beta_vae", "vae"]
    each = db.results(runs)
    for line in frame.to_dict("records"):
        values = each[each["method"] == line["method"]]["mig"]
        assert (line["n"], line["failed"], line["mig_n"]) == (2, 0, 2)
        assert line["mig"] == pytest.approx(values.mean())
        assert line["mig_std"] == pytest.approx(values.std())
        assert line["mig_low"] <= line["mig"] <= line["mig_high"]
    assert "<table" in board._repr_html_()


class Rows(torch.nn.Module):
    """Codes that are the sprite's column and row; refuses to encode while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        total = images.sum(dim=(1, 2, 3))
        along = [images.sum(dim=(1, axis)) @ torch.arange(64.0) / total for axis in (2, 3)]
        return self.scale * torch.stack(along, dim=1)


def test_everything_that_encodes_is_scored_alike(data_dir: Path) -> None:
    module = Rows().train()
    grid = dd.load("toy_grid", data_dir=data_dir)
    with torch.inference_mode():
        images = torch.from_numpy(grid.images(np.arange(len(grid)))).permute(0, 3, 1, 2).float()
        codes = module.eval()(images)
    module.train()
    wanted = {"data_dir": data_dir, "protocol": "quick", "set": SCORES}
    found = db.score(module, "toy_grid", **wanted)
    assert (found.errors, module.training) == ({}, True)
    assert found.scores["mig"] > 0.1
    assert db.score(codes, "toy_grid", **wanted).scores == pytest.approx(found.scores, abs=1e-6)
    assert db.score(codes.numpy().tolist(), "toy_grid", **wanted).scores == pytest.approx(found.scores, abs=1e-6)
    as_function = db.score(lambda batch: module.eval()(batch).numpy(), "toy_grid", **wanted)
    assert as_function.scores == found.scores


def test_a_run_s_module_is_scored_with_its_decodings(runs: Path, data_dir: Path) -> None:
    (folder,) = runs.glob("quick/toy_grid/vae/*/seed-0")
    module = db.load_run(folder)
    given = {"scores": ["mig", "reconstruction"], "num_train": 200}
    found = db.score(module, "toy_grid", protocol="quick", set=given, data_dir=data_dir)
    result = json.loads((folder / "result.json").read_text())
    assert found.scores["mig"] == pytest.approx(result["scores"]["mig"])
    assert found.scores["reconstruction_mse"] > 0


def test_a_changed_setting_of_a_score_leaves_the_protocol_s_others(monkeypatch: pytest.MonkeyPatch) -> None:
    written = {"scores": ["dci"], "dci": {"backend": "sklearn"}}
    monkeypatch.setattr(protocols, "load_protocol", lambda name: protocols.Protocol(name, 1, "", "", scores=written))
    changed = protocols.named_scores("quick", {"dci": {"seed": 3}})
    assert changed.options("dci") == {"backend": "sklearn", "seed": 3}


def test_codes_that_do_not_fit_are_one_line(data_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"codes have shape \(3, 2\); toy_grid needs \(4608, d\)"):
        db.score(np.zeros((3, 2)), "toy_grid", data_dir=data_dir)
    with pytest.raises(ValueError, match="unknown protocol"):
        db.score(np.zeros((3, 2)), "toy_grid", protocol="quik", data_dir=data_dir)


def test_scores_over_seeds_and_curves(runs: Path, tmp_path: Path) -> None:
    axes = db.plots.scores(runs, "mig", ax=Figure().subplots())
    frame = db.results(runs)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["beta_vae", "vae"]
    assert "steps=4" in axes.get_title()
    dots = [line.get_xdata() for line in axes.lines if line.get_marker() == "o"]
    for shown, method in zip(dots, ("beta_vae", "vae"), strict=True):
        assert sorted(shown) == sorted(frame[frame["method"] == method]["mig"])
    folders = sorted(runs.glob("quick/toy_grid/vae/*/seed-*"))
    axes = db.plots.curves(folders, "scores/mig", ax=Figure().subplots())
    assert [list(line.get_xdata()) for line in axes.lines] == [[0, 4], [0, 4]]
    half = tmp_path / "vae" / "key" / "seed-0"
    half.mkdir(parents=True)
    (half / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n{"step": 3, "lo')
    assert list(db.plots.curves(half, ax=Figure().subplots()).lines[0].get_ydata()) == [2, 1]
    with pytest.raises(ValueError, match=r"has logged no 'losss'; it has scores/mig"):
        db.plots.curves(folders[0], "losss")
    with pytest.raises(ValueError, match="no run has a score 'dci'"):
        db.plots.scores(runs, "dci")
    with pytest.raises(ValueError, match="no run has a score 'mig'"):
        db.plots.scores(runs, "mig", dataset="dsprites")


def test_runs_of_two_tables_are_not_drawn_in_one(runs: Path, tmp_path: Path) -> None:
    both = tmp_path / "runs"
    shutil.copytree(runs, both)
    for path in both.glob("quick/toy_grid/vae/*/seed-0/result.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "dataset": "dsprites"}))
    with pytest.raises(ValueError, match=r"do not compare, choose .*: dsprites \(drawn\).*; toy_grid"):
        db.plots.scores(both, "mig")
    assert db.plots.scores(both, "mig", dataset="dsprites", ax=Figure().subplots()).lines


def test_axes_are_made_where_none_are_given(runs: Path, data_dir: Path) -> None:
    grid = dd.load("toy_grid", data_dir=data_dir)
    module = db.load_run(next(runs.glob("quick/toy_grid/vae/*/seed-0")))
    with mpl.rc_context({"backend": "agg"}):
        for draw in (db.plots.traversals, db.plots.reconstructions, db.plots.importance):
            axes = draw(module, grid)
            assert axes.figure.get_size_inches().min() > 2
            assert axes.images
            mpl.pyplot.close(axes.figure)


def test_a_grid_is_a_torch_data_set(data_dir: Path) -> None:
    grid = dd.load("toy_grid", data_dir=data_dir)
    image, factors = grid[7]
    assert (image.dtype, tuple(image.shape)) == (torch.float32, (1, 64, 64))
    assert factors.tolist() == grid.factors([7])[0].tolist()
    images, batch = next(iter(DataLoader(grid, batch_size=5)))
    assert (tuple(images.shape), tuple(batch.shape)) == ((5, 1, 64, 64), (5, 5))
    np.testing.assert_array_equal(images.permute(0, 2, 3, 1).numpy(), grid.images(np.arange(5)) / grid.scale)
    for number in (-1, len(grid)):
        with pytest.raises(IndexError):
            grid[number]


@pytest.mark.parametrize("first", ["", "import disent_bench.leaderboard;", "import disent_bench.plots;"])
def test_names_are_there_whatever_was_imported_before(first: str) -> None:
    code = f"{first}import disent_bench as db; assert callable(db.leaderboard); assert callable(db.plots.scores)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_it_loads_nothing_large() -> None:
    code = "import disent_bench, sys; print(sorted({'torch', 'lightning', 'pandas', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
