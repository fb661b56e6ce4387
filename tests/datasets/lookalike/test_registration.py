from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets import source
from disent_datasets.lookalike import LOOK_ALIKES, RENDERED, STORED
from disent_datasets.lookalike.registration import register
from disent_datasets.lookalike.renderer import LookAlike, RenderedImages
from disent_datasets.lookalike.shapes3d import scenes
from disent_datasets.residence import place

SMALL = LookAlike(
    "small_lookalike",
    dd.FactorSpace(dd.info("shapes3d_lookalike").space.names, (2, 2, 3, 2, 4, 3)),
    3,
    scenes,
    (0,) * 6,
)


@pytest.fixture
def small() -> Iterator[LookAlike]:
    """A registered look-alike of 288 images, forgotten after the test."""
    register(SMALL, "Small", "nobody", (STORED, RENDERED))
    yield SMALL
    del LOOK_ALIKES[SMALL.name]
    del source._REGISTRY[SMALL.name]


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
    old = replace(small, name="small_lookalike", scenes=lambda factors: scenes(factors[:, [1, 0, 2, 3, 4, 5]]))
    register(old, "Small", "nobody", (STORED, RENDERED))
    before = dd.load(small.name, data_dir=tmp_path)
    register(small, "Small", "nobody", (STORED, RENDERED))
    with pytest.warns(UserWarning, match="stored by another version of this package; rendering it again"):
        after = dd.load(small.name, data_dir=tmp_path)
    assert after.fingerprint != before.fingerprint
    np.testing.assert_array_equal(after.images([0, 50, 287]), small.render(small.space.factors([0, 50, 287])))


def test_a_rendering_that_is_cut_off_leaves_nothing_and_starts_again(
    small: LookAlike, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: LookAlike, block: int = 512) -> Iterator[np.ndarray]:
        yield self.render(self.space.factors(np.arange(100)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LookAlike, "render_all", broken)
        with pytest.raises(KeyboardInterrupt):
            dd.load(small.name, data_dir=tmp_path)
    assert not dd.is_prepared(small.name, data_dir=tmp_path)
    assert len(dd.load(small.name, data_dir=tmp_path)) == 288


def test_a_fingerprint_depends_on_version_and_images_and_renders_few() -> None:
    prints = [
        SMALL.fingerprint,
        replace(SMALL, version=2).fingerprint,
        replace(SMALL, name="other").fingerprint,
        replace(SMALL, scenes=lambda factors: scenes((factors + 1) % 2)).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert replace(SMALL).fingerprint == SMALL.fingerprint
    assert dd.load("mpi3d_lookalike").fingerprint == LOOK_ALIKES["mpi3d_lookalike"].fingerprint


def test_rendered_images_serve_a_data_module_and_a_device(small: LookAlike, tmp_path: Path) -> None:
    from disent_datasets.datamodule import DisentDataModule

    module = DisentDataModule(small.name, data_dir=tmp_path, source=RENDERED, batch_size=8)
    module.setup()
    batch = next(iter(module.train_dataloader()))
    expected = small.render(small.space.factors(batch.indices.numpy()))
    np.testing.assert_array_equal(batch.images.permute(0, 2, 3, 1).numpy(), expected)
    import torch

    held = place(module.grid, "device", torch.device("cpu"))
    np.testing.assert_array_equal(held(batch.indices.numpy()).numpy(), batch.images.numpy())


def test_rendered_images_look_like_an_array() -> None:
    images = RenderedImages(SMALL)
    assert images.shape == (288, 64, 64, 3)
    assert images.nbytes == 288 * 64 * 64 * 3
    assert len(images) == 288
    np.testing.assert_array_equal(images[280:300], images[np.arange(280, 288)])
