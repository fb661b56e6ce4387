"""Images of a grid in another size: resized as Pillow does it, look-alikes rendered anew."""

from __future__ import annotations

from pathlib import Path

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets.datamodule import DisentDataModule
from disent_datasets.lookalike import look_alikes
from disent_datasets.nuisance import NuisanceGrid
from disent_datasets.resized import ResizedGrid, resize
from PIL import Image

RNG = np.random.default_rng(0)
SPACE = dd.FactorSpace(("a", "b"), (3, 4))


def grid(images: np.ndarray, scale: int = 255, present: np.ndarray | None = None) -> dd.FactorGrid:
    return dd.FactorGrid(images, SPACE, name="mine", source="memory", scale=scale, present=present)


@pytest.mark.parametrize(("before", "after"), [(100, 64), (64, 32), (28, 64), (300, 64), (30, 32)])
def test_pixels_are_those_of_pillow(before: int, after: int) -> None:
    images = RNG.integers(0, 256, (3, before, before, 3), dtype=np.uint8)
    resized = resize(images, after)
    assert (resized.shape, resized.dtype) == ((3, after, after, 3), np.uint8)
    for mine, image in zip(resized, images, strict=True):
        theirs = np.asarray(Image.fromarray(image).resize((after, after), Image.Resampling.BILINEAR))
        assert np.abs(mine.astype(int) - theirs).max() <= 1


def test_a_grid_is_seen_in_another_size() -> None:
    images = RNG.integers(0, 256, (12, 20, 20, 3), dtype=np.uint8)
    base = grid(images)
    small = ResizedGrid(base, 10)
    assert (small.shape, small.scale, len(small), small.name, small.on_demand) == ((10, 10, 3), 255, 12, "mine", False)
    expected = resize(images, 10)
    np.testing.assert_array_equal(small.images([5, 3, 3]), expected[[5, 3, 3]])
    np.testing.assert_array_equal(np.concatenate(list(small.blocks(5))), expected)
    np.testing.assert_array_equal(small.stored[2:4], expected[2:4])
    np.testing.assert_array_equal(small.index(small.factors([7])), [7])
    prints = {base.fingerprint, small.fingerprint, ResizedGrid(base, 11).fingerprint}
    assert len(prints) == 3
    assert small.fingerprint == ResizedGrid(grid(images.copy()), 10).fingerprint


def test_binary_images_become_grey() -> None:
    images = np.zeros((12, 8, 8, 1), np.uint8)
    images[:, :, :4] = 1
    small = ResizedGrid(grid(images, scale=1), 4)
    assert small.scale == 255
    row = small.images([0])[0, 0, :, 0].astype(int)
    assert row[0] == 255 > row[1] > row[2] > row[3] == 0
    assert row[1] + row[2] == pytest.approx(255, abs=1)


def test_missing_images_stay_missing() -> None:
    present = np.arange(12) % 5 > 0
    small = ResizedGrid(grid(RNG.integers(0, 256, (12, 8, 8, 1), dtype=np.uint8), present=present), 4)
    np.testing.assert_array_equal(small.available, np.flatnonzero(present))
    with pytest.raises(dd.DataError, match="mine has no image"):
        small.images([0])


def test_a_nuisance_is_drawn_before_it_is_resized() -> None:
    base = grid(RNG.integers(0, 2, (12, 8, 8, 1), dtype=np.uint8), scale=1)
    info = dd.DatasetInfo("noisy", "Noisy", SPACE, (8, 8, 1), ("memory",), "none", "nobody")
    noisy = NuisanceGrid(
        base, info, lambda _, numbers, rng: rng.integers(0, 256, (len(numbers), 8, 8, 1), np.uint8), ""
    )
    small = ResizedGrid(noisy, 4)
    assert small.nuisance
    one, other = (small.images([1, 2], np.random.default_rng(seed)) for seed in (0, 1))
    assert (one != other).any()
    np.testing.assert_array_equal(one, resize(noisy.images([1, 2], np.random.default_rng(0)), 4))


def test_by_name_and_in_batches(data_dir: Path) -> None:
    assert type(dd.load("toy_grid", data_dir=data_dir, image_size=64)) is dd.FactorGrid
    small = dd.load("toy_grid", data_dir=data_dir, image_size=32)
    assert (small.shape, small.scale) == ((32, 32, 1), 255)
    module = DisentDataModule("toy_grid", data_dir=data_dir, batch_size=8, image_size=32)
    batch = next(iter(module.train_dataloader()))
    assert batch.images.shape == (8, 1, 32, 32)
    np.testing.assert_array_equal(batch.images.permute(0, 2, 3, 1), small.images(batch.indices.numpy()))
    images = module.on_after_batch_transfer(batch, 0).images
    assert 0.9 < images.max() <= 1


@pytest.mark.parametrize("size", [32, 128, 256])
def test_look_alikes_are_rendered_in_that_size(size: int, data_dir: Path) -> None:
    for name, look_alike in look_alikes().items():
        large = dd.load(name, data_dir=data_dir, image_size=size)
        assert large.shape == (size, size, look_alike.channels)
        numbers = np.array([0, len(large) // 2, len(large) - 1])
        images = large.images(numbers)
        np.testing.assert_array_equal(images, look_alike.render(look_alike.space.factors(numbers), size))
        usual = look_alike.render(look_alike.space.factors(numbers))
        assert np.abs(resize(images, 64).astype(int) - usual).mean() < 8  # of the same scene
        assert large.on_demand
        assert large.fingerprint not in (look_alike.fingerprint, dd.load(name, image_size=size + 1).fingerprint)


@pytest.mark.parametrize("size", [0, -64, 3, 1025, 64.0, "64", True])
def test_sizes_that_make_no_sense_are_one_line(size: object, data_dir: Path) -> None:
    with pytest.raises(ValueError, match="image_size is a whole number of pixels from 4 to 1024, not"):
        dd.load("toy_grid", data_dir=data_dir, image_size=size)  # type: ignore[arg-type]


def test_images_that_are_not_square_are_one_line() -> None:
    with pytest.raises(ValueError, match="images of mine are 8x6, not square; cut or pad them first"):
        ResizedGrid(grid(np.zeros((12, 8, 6, 1), np.uint8)), 4)
