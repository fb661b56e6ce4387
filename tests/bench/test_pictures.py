"""Pictures of a run: traversals with idle latents marked, images above their reconstructions."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.image
import pytest
import torch
from torch import Tensor

from disent_bench.config.resolve import resolve
from disent_bench.runs.callbacks import traversals
from disent_bench.runs.callbacks.traversals import Traversals, reconstruction_picture, traversal_picture
from disent_bench.runs.train import run


class Plain(torch.nn.Module):
    """Two latents: the mean of the upper half and nothing; decoded, the upper half has the first one's value."""

    device = torch.device("cpu")

    def encode(self, images: Tensor) -> Tensor:
        return torch.stack([images[:, 0, :8].mean((1, 2)), torch.zeros(len(images))], dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        images = torch.zeros(len(codes), 1, 16, 16)
        images[:, :, :8] = codes[:, 0, None, None, None].clamp(0, 1)
        return images


def images() -> Tensor:
    found = torch.zeros(18, 1, 16, 16)
    found[:, :, :8] = torch.linspace(0, 1, 18)[:, None, None, None]
    return found


def test_idle_latents_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    draw = traversals.Figure.savefig

    def keep(figure: object, *args: object, **options: object) -> None:
        (axes,) = figure.axes  # type: ignore[attr-defined]
        said.extend(label.get_text() for label in axes.get_yticklabels())
        draw(figure, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(traversals.Figure, "savefig", keep)
    traversal_picture(Plain(), images())
    assert said == ["z0, std 0.31", "z1, std 0.00, idle"]


def test_reconstructions_stand_below_their_images(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Tensor] = []
    show = traversals.Figure.subplots

    def subplots(figure: object) -> object:
        axes = show(figure)  # type: ignore[arg-type]
        imshow = axes.imshow
        axes.imshow = lambda values, **options: drawn.append(torch.as_tensor(values)) or imshow(values, **options)
        return axes

    monkeypatch.setattr(traversals.Figure, "subplots", subplots)
    picture = reconstruction_picture(Plain(), images())
    assert matplotlib.image.imread(io.BytesIO(picture)).ndim == 3
    (mosaic,) = drawn
    assert mosaic.shape == (32, 9 * 16)
    torch.testing.assert_close(mosaic[:16], mosaic[16:])  # this one reconstructs exactly
    assert mosaic[0, ::16].tolist() == pytest.approx(torch.linspace(0, 1, 18)[::2].tolist())


def test_a_run_leaves_both_and_one_that_fails_costs_nothing(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"steps": 2, "batch_size": 8, "scores.scores": ["mig"], "scores.num_train": 200, "scores.num_test": 100}
    monkeypatch.setenv("DISENT_DATA", str(data_dir))
    outcome = run(resolve("vae", "toy_grid", "quick", overrides=settings), 0, runs=tmp_path, say=lambda _: None)
    assert {path.name for path in outcome.folder.glob("*.png")} == {"traversals.png", "reconstructions.png"}
    said: list[str] = []

    def failing(*_: object) -> bytes:
        raise OSError("no colours left")

    monkeypatch.setattr(traversals, "reconstruction_picture", failing)
    callback = Traversals(images(), tmp_path, 0, said.append)
    callback.finish(Plain(), [])  # type: ignore[arg-type]
    assert said == ["note: no picture of the reconstructions at step 0: OSError: no colours left"]
    assert (tmp_path / "traversals.png").exists()
