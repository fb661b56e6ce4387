"""Data sets whose images carry something that is drawn anew each time."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
import torch
from disent_datasets.datamodule import DisentDataModule
from disent_datasets.nuisance import NuisanceGrid
from disent_datasets.registry import REGISTERED, Entry
from disent_datasets.request import Request
from disent_datasets.residence import place
from disent_datasets.sets import dsprites, scream_dsprites, toy_grid
from PIL import Image

VARIANTS = ["color_dsprites", "noisy_dsprites", "scream_dsprites"]
ALL = np.arange(4608)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of this process alone: the picture in it is written anew by tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def picture(data_dir: Path) -> Path:
    """A picture in the place where disentanglement_lib has it: 700 x 400, red left to right, green downwards."""
    pixels = np.zeros((400, 700, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, 700)
    pixels[..., 1] = np.linspace(0, 255, 400)[:, None]
    path = data_dir / "scream" / "scream.jpg"
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)
    return path


@pytest.fixture
def small(own_data_sets: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variants over the toy grid instead of all of dSprites."""
    for name in VARIANTS:
        info, factory = REGISTERED[name]
        stored = dd.info("toy_grid")
        REGISTERED[name] = Entry(dataclasses.replace(info, space=stored.space, stored=stored), factory)
    monkeypatch.setattr(dsprites, "_dsprites", toy_grid._toy_grid)


def load(name: str, data_dir: Path) -> NuisanceGrid:
    grid = dd.load(name, data_dir=data_dir)
    assert isinstance(grid, NuisanceGrid)
    return grid


@pytest.mark.usefixtures("small", "picture")
@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_call_gives_the_same_images_and_another_call_others(name: str, data_dir: Path) -> None:
    grid = load(name, data_dir)
    indices = np.arange(0, 4608, 50)
    images = grid.images(indices)
    assert images.shape == (93, 64, 64, 3)
    assert images.dtype == np.uint8
    assert (grid.shape, grid.scale, grid.nuisance, len(grid)) == ((64, 64, 3), 255, True, 4608)
    np.testing.assert_array_equal(images, grid.images(indices))
    assert (images[:50] != grid.images(indices[:50])).any(axis=(1, 2, 3)).all()
    twice = grid.images([7, 7])
    assert not np.array_equal(twice[0], twice[1])
    same = [grid.images(indices, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(same[0], images)
    assert np.concatenate(list(grid.blocks(2000))).shape == (4608, 64, 64, 3)
    assert not dd.load("toy_grid", data_dir=data_dir).nuisance


@pytest.mark.usefixtures("small", "picture")
def test_fingerprints_name_the_nuisance_and_the_picture(data_dir: Path, picture: Path) -> None:
    before = [load(name, data_dir).fingerprint for name in VARIANTS]
    assert len({*before, dd.load("toy_grid", data_dir=data_dir).fingerprint}) == 4
    assert [load(name, data_dir).fingerprint for name in VARIANTS] == before
    Image.fromarray(np.zeros((274, 350, 3), np.uint8)).save(picture)
    assert load("scream_dsprites", data_dir).fingerprint != before[2]
    assert dd.verify("color_dsprites", data_dir=data_dir).name == "toy_grid"


@pytest.mark.usefixtures("small")
def test_colours_are_uniform_from_a_half_to_one(data_dir: Path) -> None:
    images = load("color_dsprites", data_dir).images(ALL)
    sprites = dd.load("toy_grid", data_dir=data_dir).images(ALL)
    colours = images.max(axis=(1, 2))
    np.testing.assert_array_equal(images, sprites * colours[:, None, None])
    assert colours.min() >= 127
    counts = np.histogram(colours / 255, bins=8, range=(0.5, 1.002))[0]
    expected = colours.size / 8
    assert ((counts - expected) ** 2 / expected).sum() < 40  # 7 degrees of freedom; bin edges cost a little
    assert np.abs(np.corrcoef(colours.T)[np.triu_indices(3, 1)]).max() < 0.06


@pytest.mark.usefixtures("small")
def test_noise_is_uniform_and_sprites_stay_white(data_dir: Path) -> None:
    grid = load("noisy_dsprites", data_dir)
    images, sprites = grid.images(ALL[:500]), dd.load("toy_grid", data_dir=data_dir).images(ALL[:500])
    lit = np.broadcast_to(sprites == 1, images.shape)
    assert (images[lit] == 255).all()
    counts = np.bincount(images[~lit], minlength=256)
    expected = counts.sum() / 256
    assert ((counts - expected) ** 2 / expected).sum() < 341  # 99.98 % point, 255 degrees of freedom


def test_crops_are_averaged_with_a_colour_and_inverted_inside_the_sprite(data_dir: Path, picture: Path) -> None:
    shrunk = scream_dsprites.read_picture(picture)
    assert shrunk.shape == (200, 350, 3)
    base = dd.load("toy_grid", data_dir=data_dir)
    images = scream_dsprites.draw_on_picture(shrunk)(base, ALL[:300], np.random.default_rng(0))
    sprites = base.images(ALL[:300]) == 1
    behind = np.where(sprites, 255 - images, images).astype(int)
    doubled = 2 * behind - shrunk[:64, :64].astype(int)  # the crop's place adds a constant, as the picture is linear
    for column, axis in ((0, 2), (1, 1)):
        spread = np.ptp(doubled[..., column], axis=(1, 2))
        assert spread.max() <= 12, axis  # JPEG and rounding
    assert len({image.tobytes() for image in images}) == 300


def test_a_missing_or_bad_picture_is_one_clear_line(tmp_path: Path) -> None:
    request = Request(dd.info("scream_dsprites"), "drawn", tmp_path)
    with pytest.raises(dd.DataError, match=rf"put it as scream.jpg into {tmp_path}/scream, or give .*Wikimedia"):
        scream_dsprites._scream(request)
    path = tmp_path / "scream.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(dd.DataError, match="cannot be read as a picture"):
        scream_dsprites._scream(request)
    Image.fromarray(np.zeros((64, 200, 3), np.uint8)).save(path)
    with pytest.raises(dd.DataError, match="more than 64 x 64 pixels, got 200 x 64"):
        scream_dsprites._scream(request)


@pytest.mark.usefixtures("small")
def test_a_picture_given_by_its_path_is_kept(tmp_path: Path, picture: Path, untouched: Any) -> None:
    mine = tmp_path / "The_Scream.jpg"
    mine.write_bytes(picture.read_bytes())
    with untouched(mine):
        given = dd.load("scream_dsprites", data_dir=tmp_path / "data", files=[mine])
        assert dd.load("scream_dsprites", data_dir=tmp_path / "data", files=[mine]).fingerprint == given.fingerprint
    assert dd.load("scream_dsprites", data_dir=tmp_path / "data").fingerprint == given.fingerprint
    other = tmp_path / "other.jpg"
    Image.fromarray(np.zeros((300, 300, 3), np.uint8)).save(other)
    with pytest.raises(dd.DataError, match=rf"scream_dsprites/scream\.jpg is another picture than {other}; remove"):
        dd.load("scream_dsprites", data_dir=tmp_path / "data", files=[other])


@pytest.mark.usefixtures("small")
def test_training_sees_a_nuisance_of_seed_and_step_alone(data_dir: Path) -> None:
    def batches(count: int, **settings: int) -> list[torch.Tensor]:
        module = DisentDataModule("color_dsprites", data_dir=data_dir, batch_size=8, second=True, **settings)
        return [torch.stack([b.images, b.second]) for b in itertools.islice(module.train_dataloader(), count)]

    whole = batches(6)
    for a, b in zip(whole[4:], batches(2, first_batch=4), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(whole[0], batches(1, seed=1)[0])
    (block,) = batches(1, steps_at_once=4)  # images and second images, each of four steps
    assert torch.equal(block.transpose(0, 1), torch.stack(whole[:4]))
    colours = torch.stack(whole).amax(dim=(-1, -2)).reshape(-1, 3)
    assert len(colours.unique(dim=0)) == 96


@pytest.mark.usefixtures("small")
def test_a_nuisance_is_drawn_on_the_host(data_dir: Path) -> None:
    grid = load("color_dsprites", data_dir)
    indices = np.arange(5)
    gathered = place(grid, "auto", torch.device("cpu"))(indices, np.random.default_rng(1))
    expected = grid.images(indices, np.random.default_rng(1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(gathered.numpy(), expected)
    with pytest.raises(ValueError, match="residence: the nuisance of color_dsprites is drawn on the host"):
        place(grid, "device", torch.device("cpu"))
