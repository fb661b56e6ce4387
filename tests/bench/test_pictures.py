"""Pictures of a run: traversals with idle latents marked, images above reconstructions, importances of latents."""

from __future__ import annotations

from pathlib import Path

import disent_datasets as dd
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from disent_bench import plots
from disent_bench.config.resolve import resolve
from disent_bench.runs.callbacks.pictures import Pictures
from disent_bench.runs.train import run


class Plain(torch.nn.Module):
    """Two latents: the mean of the upper half and nothing; decoded, the upper half has the first one's value."""

    device = torch.device("cpu")

    def __init__(self, size: int = 16) -> None:
        super().__init__()
        self.size = size

    def encode(self, images: Tensor) -> Tensor:
        return torch.stack([images[:, 0, :8].mean((1, 2)), torch.zeros(len(images))], dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        images = torch.zeros(len(codes), 1, self.size, self.size)
        images[:, :, :8] = codes[:, 0, None, None, None].clamp(0, 1)
        return images


def images() -> Tensor:
    found = torch.zeros(18, 1, 16, 16)
    found[:, :, :8] = torch.linspace(0, 1, 18)[:, None, None, None]
    return found


def axes() -> Axes:
    return Figure().subplots()


def test_idle_latents_are_marked() -> None:
    given = axes()
    assert plots.traversals(Plain(), images(), ax=given) is given
    assert [label.get_text() for label in given.get_yticklabels()] == ["z0, std 0.31", "z1, std 0.00, idle"]
    mosaic = np.asarray(given.images[0].get_array())
    rows = mosaic[4, 16 + 4 * 2 :: 18][: plots.COLUMNS]  # the upper half of each picture in the first row
    moved = 0.5 + float(torch.linspace(0, 1, 18).std()) * np.linspace(-2, 2, plots.COLUMNS)
    np.testing.assert_allclose(rows, moved.clip(0, 1), atol=1e-6)


def test_reconstructions_stand_below_their_images() -> None:
    given = plots.reconstructions(Plain(), images(), ax=axes())
    mosaic = np.asarray(given.images[0].get_array())
    assert mosaic.shape == (32, 9 * 16)
    np.testing.assert_allclose(mosaic[:16], mosaic[16:], atol=1e-6)  # this one reconstructs exactly
    assert mosaic[0, ::16].tolist() == pytest.approx(torch.linspace(0, 1, 18)[::2].tolist())
    assert {label.get_text() for label in given.get_xticklabels()} == {"MSE 0.000"}


def test_latents_stand_in_the_order_of_the_factors_that_they_serve() -> None:
    importance = np.array([[0.1, 0.7], [0.0, 0.0], [0.0, 0.2], [0.9, 0.1]])
    given = plots.heat_map(importance, ["size", "place"], ax=axes())
    assert [label.get_text() for label in given.get_xticklabels()] == ["z3", "z0", "z2", "z1"]
    assert [label.get_text() for label in given.get_yticklabels()] == ["size", "place"]
    np.testing.assert_array_equal(np.asarray(given.images[0].get_array()), [[0.9, 0.1, 0, 0], [0.1, 0.7, 0.2, 0]])
    assert sorted(text.get_text() for text in given.texts) == ["0.10", "0.10", "0.20", "0.70", "0.90"]


def test_a_module_keeps_its_mode() -> None:
    module = Plain().train()
    plots.traversals(module, images(), ax=axes())
    assert module.training
    plots.traversals(module.eval(), images(), ax=axes())
    assert not module.training


class Knowing(torch.nn.Module):
    """Codes that are the sprite's column and row; no decoder."""

    device = torch.device("cpu")

    def encode(self, images: Tensor) -> Tensor:
        centres = [images.sum(dim=(1, along)) @ torch.arange(64.0) / images.sum(dim=(1, 2, 3)) for along in (2, 3)]
        return torch.stack(centres, dim=1)


def test_importances_are_those_of_dci(tmp_path: Path, data_dir: Path) -> None:
    grid = dd.load("toy_grid", data_dir=data_dir)
    given = plots.importance(Knowing(), grid, ax=axes())
    names = [label.get_text() for label in given.get_yticklabels()]
    assert names == list(grid.space.names)
    latents = [label.get_text() for label in given.get_xticklabels()]
    shown = np.asarray(given.images[0].get_array())[[names.index(name) for name in ("posX", "posY")]]
    np.testing.assert_allclose(shown[:, [latents.index("z0"), latents.index("z1")]], np.eye(2), atol=0.1)
    Pictures(grid, tmp_path, 0).finish(Knowing(), [])  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.glob("*.png")] == ["importance.png"]


def test_a_run_leaves_all_three_also_for_tensorboard(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"steps": 2, "batch_size": 8, "scores.scores": ["mig"], "scores.num_train": 200, "scores.num_test": 100}
    monkeypatch.setenv("DISENT_DATA", str(data_dir))
    config = resolve("vae", "toy_grid", "quick", overrides=settings)
    outcome = run(config, 0, runs=tmp_path, say=lambda _: None, loggers=["tensorboard"])
    drawn = {"traversals", "reconstructions", "importance"}
    assert {path.stem for path in outcome.folder.glob("*.png")} == drawn
    events = EventAccumulator(str(next(outcome.folder.rglob("events.*")).parent)).Reload()
    assert set(events.Tags()["images"]) == drawn


def test_a_picture_that_fails_costs_no_other(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def failing(*_: object, **__: object) -> Axes:
        raise OSError("no colours left")

    monkeypatch.setattr(plots, "reconstructions", failing)
    monkeypatch.setattr(plots, "importance", failing)
    callback = Pictures(dd.load("toy_grid", data_dir=data_dir), tmp_path, 0, said.append)
    callback.finish(Plain(64), [])  # type: ignore[arg-type]
    assert said == [
        f"note: no picture of the {name} at step 0: OSError: no colours left"
        for name in ("importance", "reconstructions")
    ]
    assert (tmp_path / "traversals.png").exists()
