"""Pictures of a run: traversals with idle latents marked, images above reconstructions, importances of latents."""

from __future__ import annotations

import io
from pathlib import Path

import disent_datasets as dd
import matplotlib.image
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from disent_bench.config.resolve import resolve
from disent_bench.runs.callbacks import pictures
from disent_bench.runs.callbacks.pictures import (
    Pictures,
    importance_picture,
    reconstruction_picture,
    traversal_picture,
)
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


def test_idle_latents_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    draw = pictures.Figure.savefig

    def keep(figure: object, *args: object, **options: object) -> None:
        (axes,) = figure.axes  # type: ignore[attr-defined]
        said.extend(label.get_text() for label in axes.get_yticklabels())
        draw(figure, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pictures.Figure, "savefig", keep)
    traversal_picture(Plain(), images())
    assert said == ["z0, std 0.31", "z1, std 0.00, idle"]


def test_reconstructions_stand_below_their_images(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Tensor] = []
    show = pictures.Figure.subplots

    def subplots(figure: object) -> object:
        axes = show(figure)  # type: ignore[arg-type]
        imshow = axes.imshow
        axes.imshow = lambda values, **options: drawn.append(torch.as_tensor(values)) or imshow(values, **options)
        return axes

    monkeypatch.setattr(pictures.Figure, "subplots", subplots)
    picture = reconstruction_picture(Plain(), images())
    assert matplotlib.image.imread(io.BytesIO(picture)).ndim == 3
    (mosaic,) = drawn
    assert mosaic.shape == (32, 9 * 16)
    torch.testing.assert_close(mosaic[:16], mosaic[16:])  # this one reconstructs exactly
    assert mosaic[0, ::16].tolist() == pytest.approx(torch.linspace(0, 1, 18)[::2].tolist())


def test_latents_stand_in_the_order_of_the_factors_that_they_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    draw = pictures.Figure.savefig
    monkeypatch.setattr(
        pictures.Figure, "savefig", lambda self, *args, **options: figures.append(self) or draw(self, *args, **options)
    )
    importance = np.array([[0.1, 0.7], [0.0, 0.2], [0.9, 0.1]])
    assert matplotlib.image.imread(io.BytesIO(importance_picture(importance, ["size", "place"]))).ndim == 3
    axes = figures[0].axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["z2", "z0", "z1"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["size", "place"]
    shown = np.asarray(axes.images[0].get_array())
    np.testing.assert_array_equal(shown, [[0.9, 0.1, 0.0], [0.1, 0.7, 0.2]])
    assert sorted(text.get_text() for text in axes.texts) == ["0.10", "0.10", "0.20", "0.70", "0.90"]


class Knowing(torch.nn.Module):
    """Codes that are the sprite's column and row; no decoder."""

    device = torch.device("cpu")

    def encode(self, images: Tensor) -> Tensor:
        centres = [images.sum(dim=(1, along)) @ torch.arange(64.0) / images.sum(dim=(1, 2, 3)) for along in (2, 3)]
        return torch.stack(centres, dim=1)


def test_importances_are_those_of_dci(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[np.ndarray, list[str]]] = []
    monkeypatch.setattr(pictures, "importance_picture", lambda *both: given.append(both) or b"")
    grid = dd.load("toy_grid", data_dir=data_dir)
    Pictures(grid, tmp_path, 0).finish(Knowing(), [])  # type: ignore[arg-type]
    ((importance, names),) = given
    assert (importance.shape, list(names)) == ((2, len(grid.space.names)), list(grid.space.names))
    columns = [grid.space.names.index(name) for name in ("posX", "posY")]
    np.testing.assert_allclose(importance[:, columns], np.eye(2), atol=0.1)
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

    def failing(*_: object) -> bytes:
        raise OSError("no colours left")

    monkeypatch.setattr(pictures, "reconstruction_picture", failing)
    monkeypatch.setattr(pictures, "importance_picture", failing)
    callback = Pictures(dd.load("toy_grid", data_dir=data_dir), tmp_path, 0, said.append)
    callback.finish(Plain(64), [])  # type: ignore[arg-type]
    assert said == [
        f"note: no picture of the {name} at step 0: OSError: no colours left"
        for name in ("importance", "reconstructions")
    ]
    assert (tmp_path / "traversals.png").exists()
