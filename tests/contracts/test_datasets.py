"""Whatever data set is registered and can be had offline keeps these promises; none is named here."""

from __future__ import annotations

import warnings
from pathlib import Path

import disent_datasets as dd
import numpy as np
import pytest
import torch
from disent_datasets.datamodule import DisentDataModule

MANY = 10_000
"""Images from which making and storing a whole set is slow."""

RARELY = [pytest.mark.slow, pytest.mark.timeout(900)]

HUGE = 10**9
"""Bytes from which a set is not stored here if its images can also be rendered one by one."""


def _offline() -> list[pytest.param]:
    found = []
    for name in dd.names():
        info = dd.info(name)
        for source in info.sources:
            twice = "rendered" in info.sources and source != "rendered" and info.nbytes > HUGE
            if source not in info.needs_files and not twice:
                slow = info.space.size > MANY and source != "rendered"
                made_once = [*RARELY, pytest.mark.xdist_group(f"{name}-{source}")]
                found.append(pytest.param((name, source), id=f"{name}-{source}", marks=made_once * slow))
    return found


@pytest.fixture(params=_offline())
def loaded(request: pytest.FixtureRequest, data_dir: Path) -> tuple[dd.DatasetInfo, dd.FactorGrid]:
    name, source = request.param
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return dd.info(name), dd.load(name, source=source, data_dir=data_dir)


Loaded = tuple[dd.DatasetInfo, dd.FactorGrid]


def some(grid: dd.FactorGrid, count: int = 40) -> np.ndarray:
    chosen = np.random.default_rng(0).integers(len(grid), size=count)
    chosen[:2] = 0, len(grid) - 1
    return chosen


def images(grid: dd.FactorGrid, indices: np.ndarray) -> np.ndarray:
    return grid.images(indices, np.random.default_rng(5))


def test_says_what_it_is(loaded: Loaded) -> None:
    info, grid = loaded
    assert info.offline or grid.source != info.sources[0]
    assert all([info.title, info.licence, info.citation])
    assert (grid.name, grid.space, grid.shape, grid.scale) == (info.name, info.space, info.shape, info.scale)
    assert len(grid) == info.space.size == np.prod(info.space.sizes)
    assert grid.nuisance == bool(info.nuisance)
    assert grid.present is None


def test_numbers_and_factors_are_a_bijection(loaded: Loaded) -> None:
    _, grid = loaded
    everything = np.arange(len(grid))
    factors = grid.factors(everything)
    assert factors.shape == (len(grid), len(grid.space))
    np.testing.assert_array_equal(grid.index(factors), everything)
    assert factors.min(axis=0).tolist() == [0] * len(grid.space)
    assert (factors.max(axis=0) + 1).tolist() == list(grid.space.sizes)
    np.testing.assert_array_equal(factors[-1], np.array(grid.space.sizes) - 1)


def test_images_have_their_shape_type_and_scale(loaded: Loaded) -> None:
    info, grid = loaded
    found = images(grid, some(grid, 100))
    assert found.shape == (100, *info.shape)
    assert found.dtype == np.uint8
    assert found.max() <= info.scale
    assert found.max() > 0.5 * info.scale
    assert np.ptp(found, axis=(1, 2, 3)).min() > 0, "an image is blank"
    found[:] = 0  # a copy: the data set is not changed
    assert images(grid, some(grid, 100)).any()


def test_a_batch_is_its_images_in_order(loaded: Loaded) -> None:
    _, grid = loaded
    indices = some(grid)
    if grid.nuisance:
        np.testing.assert_array_equal(grid.images(indices), grid.images(indices))
        np.testing.assert_array_equal(images(grid, indices), images(grid, indices))
        return
    batch = grid.images(indices)
    np.testing.assert_array_equal(batch, np.concatenate([grid.images([index]) for index in indices]))
    np.testing.assert_array_equal(batch[::-1], grid.images(indices[::-1]))
    assert grid.images([]).shape == (0, *grid.shape)


def test_refuses_what_is_not_in_it(loaded: Loaded) -> None:
    _, grid = loaded
    for wrong in (-1, len(grid)):
        with pytest.raises(ValueError, match="indices: must be in"):
            grid.images([wrong])
    with pytest.raises(ValueError, match="factors"):
        grid.index([grid.space.sizes])


def test_the_fingerprint_is_stable(loaded: Loaded, data_dir: Path) -> None:
    info, grid = loaded
    assert grid.fingerprint == dd.load(info.name, source=grid.source, data_dir=data_dir).fingerprint
    assert len(grid.fingerprint) == 64
    assert int(grid.fingerprint, 16) >= 0


def test_different_factors_give_different_images(loaded: Loaded) -> None:
    info, grid = loaded
    before = grid.factors(some(grid, 100))
    for column, (name, size) in enumerate(zip(grid.space.names, grid.space.sizes, strict=True)):
        after = before.copy()
        after[:, column] = (after[:, column] + np.random.default_rng(column).integers(1, size, 100)) % size
        pair = [images(grid, grid.index(factors)) for factors in (before, after)]
        differs = (pair[0] != pair[1]).any(axis=(1, 2, 3)).mean()
        assert differs > 0.5 if name in info.ambiguous else differs == 1, f"{name}: only {differs:.0%} differ"


def test_training_sees_floats_from_zero_to_one(loaded: Loaded, data_dir: Path) -> None:
    info, grid = loaded
    module = DisentDataModule(info.name, source=grid.source, data_dir=data_dir, batch_size=8)
    batch = module.on_after_batch_transfer(module.train_dataloader().batch(0), 0)
    height, width, channels = info.shape
    assert batch.images.shape == (8, channels, height, width)
    assert batch.images.dtype == torch.float32
    assert 0 <= batch.images.min() <= batch.images.max() <= 1
    np.testing.assert_array_equal(batch.indices.numpy(), dd.BatchStream(grid, 8, seed=0).step(0).first)
