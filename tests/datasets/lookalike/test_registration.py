from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import disent_datasets as dd
import numpy as np
import pytest
import torch
from disent_datasets.lookalike import look_alikes
from disent_datasets.lookalike.registration import LOOK_ALIKES, RENDERED, STORED, register_look_alike
from disent_datasets.lookalike.renderer import LookAlike, RenderedGrid, RenderedImages
from disent_datasets.residence import HostGather, place
from disent_datasets.sets.shapes3d_lookalike import scenes

SMALL = LookAlike(
    "small_lookalike",
    dd.FactorSpace(dd.info("shapes3d_lookalike").space.names, (2, 2, 3, 2, 4, 3)),
    3,
    scenes,
    (0,) * 6,
)


@pytest.fixture
def small(own_data_sets: None) -> Iterator[LookAlike]:
    """A registered look-alike of 288 images, forgotten after the test."""
    with mock.patch.dict(LOOK_ALIKES):
        register_look_alike(SMALL, title="Small", original="nobody")
        yield SMALL


def test_a_stored_set_has_the_images_that_are_rendered_one_by_one(small: LookAlike, tmp_path: Path) -> None:
    stored = dd.load(small.name, data_dir=tmp_path)
    rendered = dd.load(small.name, data_dir=tmp_path, source=RENDERED)
    assert (stored.source, rendered.source) == (STORED, RENDERED)
    indices = np.random.default_rng(0).integers(len(stored), size=100)
    np.testing.assert_array_equal(stored.images(indices), rendered.images(indices))
    np.testing.assert_array_equal(np.concatenate(list(rendered.blocks(100))), np.concatenate(list(stored.blocks())))
    np.testing.assert_array_equal(stored.images([77])[0], small.render(stored.factors([77]))[0])
    assert dd.is_prepared(small.name, data_dir=tmp_path)
    assert dd.verify(small.name, data_dir=tmp_path).fingerprint == stored.fingerprint


def test_rendering_on_demand_writes_nothing(small: LookAlike, tmp_path: Path) -> None:
    grid = dd.load(small.name, data_dir=tmp_path, source=RENDERED)
    assert grid.images([0, 5]).shape == (2, 64, 64, 3)
    assert list(tmp_path.iterdir()) == []


def test_a_set_stored_by_another_version_is_rendered_again(small: LookAlike, tmp_path: Path) -> None:
    before = dd.load(small.name, data_dir=tmp_path)
    other = replace(small, version=2, scenes=lambda factors: scenes(factors[:, [1, 0, 2, 3, 4, 5]]))
    register_look_alike(other, title="Small", original="nobody")
    message = r"describes version 1 of small_lookalike, and this is version 2; making it again"
    with pytest.warns(UserWarning, match=message):
        after = dd.load(small.name, data_dir=tmp_path)
    assert after.fingerprint != before.fingerprint
    np.testing.assert_array_equal(after.images([0, 50, 287]), other.render(small.space.factors([0, 50, 287])))


def test_a_fingerprint_depends_on_version_and_images_and_renders_few() -> None:
    prints = [
        SMALL.fingerprint,
        replace(SMALL, version=2).fingerprint,
        replace(SMALL, name="other").fingerprint,
        replace(SMALL, scenes=lambda factors: scenes((factors + 1) % 2)).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert replace(SMALL).fingerprint == SMALL.fingerprint
    assert dd.load("mpi3d_lookalike").fingerprint == look_alikes()["mpi3d_lookalike"].fingerprint


def test_rendered_images_serve_a_data_module_and_a_device(small: LookAlike, tmp_path: Path) -> None:
    from disent_datasets.datamodule import DisentDataModule

    module = DisentDataModule(small.name, data_dir=tmp_path, source=RENDERED, batch_size=8)
    module.setup()
    batch = next(iter(module.train_dataloader()))
    expected = small.render(small.space.factors(batch.indices.numpy()))
    np.testing.assert_array_equal(batch.images.permute(0, 2, 3, 1).numpy(), expected)
    held = place(module.grid, "device", torch.device("cpu"))
    np.testing.assert_array_equal(held(batch.indices.numpy()).numpy(), batch.images.numpy())


def test_rendering_on_demand_stays_on_the_host_unless_told_otherwise(small: LookAlike, tmp_path: Path) -> None:
    """As on a GPU, of which nothing is asked here: rendering all images first is no small thing."""
    rendered = dd.load(small.name, data_dir=tmp_path, source=RENDERED)
    with pytest.warns(UserWarning, match=r"small_lookalike \(rendered\): each batch is rendered on the host .*stored"):
        gather = place(rendered, "auto", torch.device("cuda"))
    assert isinstance(gather, HostGather)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        place(rendered, "auto", torch.device("cpu"))
        place(rendered, "host", torch.device("cuda"))


def test_a_device_without_room_is_one_clear_line() -> None:
    space = dd.FactorSpace(SMALL.space.names, (1000, 1000, 1000, 1000, 1, 1))
    huge = replace(SMALL, space=space, scenes=lambda factors: scenes(factors * 0))
    grid = RenderedGrid(huge, replace(dd.info("shapes3d_lookalike"), space=space, name="huge"), RENDERED)
    message = r"^residence: cpu has no room for the 12,288,000,000 MB of huge; use auto or host$"
    with pytest.raises(ValueError, match=message):
        place(grid, "device", torch.device("cpu"))


def test_rendered_images_look_like_an_array() -> None:
    images = RenderedImages(SMALL)
    assert images.shape == (288, 64, 64, 3)
    assert images.nbytes == 288 * 64 * 64 * 3
    assert len(images) == 288
    np.testing.assert_array_equal(images[280:300], images[np.arange(280, 288)])
