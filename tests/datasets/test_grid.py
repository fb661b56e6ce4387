from __future__ import annotations

import hashlib

import numpy as np
import pytest
from disent_datasets import FactorGrid, FactorSpace
from disent_datasets.grid import PackedImages, pack

SPACE = FactorSpace(("a", "b"), (5, 6))


def images(scale: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, scale + 1, (30, 4, 8, 3)).astype(np.uint8)


def grid(scale: int) -> FactorGrid:
    stored = PackedImages(pack(images(1)), (4, 8, 3)) if scale == 1 else images(scale)
    return FactorGrid(stored, SPACE, name="test", source="memory", scale=scale)


@pytest.mark.parametrize("scale", [1, 255])
def test_gathers_what_was_stored(scale: int) -> None:
    indices = np.array([29, 0, 7, 7])
    found = grid(scale).images(indices)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, images(scale)[indices])
    np.testing.assert_array_equal(np.concatenate(list(grid(scale).blocks(7))), images(scale))
    assert grid(scale).images([]).shape == (0, 4, 8, 3)


@pytest.mark.parametrize("scale", [1, 255])
def test_a_gathered_batch_is_a_copy(scale: int) -> None:
    tested = grid(scale)
    tested.images([3])[:] = 9
    np.testing.assert_array_equal(tested.images([3]), images(scale)[[3]])


@pytest.mark.parametrize("scale", [1, 255])
def test_fingerprint_is_of_the_pixels_however_stored(scale: int) -> None:
    assert grid(scale).fingerprint == hashlib.sha256(images(scale).tobytes()).hexdigest()


def test_knows_its_factors() -> None:
    tested = grid(255)
    assert (len(tested), tested.shape, tested.scale) == (30, (4, 8, 3), 255)
    np.testing.assert_array_equal(tested.factors([7]), [[1, 1]])
    np.testing.assert_array_equal(tested.index([[1, 1]]), [7])


@pytest.mark.parametrize("index", [-1, 30])
def test_refuses_indices_outside(index: int) -> None:
    with pytest.raises(ValueError, match=rf"indices: must be in 0\.\.29, got {index}"):
        grid(1).images([0, index])


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.zeros((29, 4, 8, 3), np.uint8), "need 30 images, got 29"),
        (np.zeros((30, 4, 8, 3), np.float32), "need uint8"),
        (np.zeros((30, 4, 8), np.uint8), "need uint8"),
    ],
)
def test_refuses_images_that_do_not_fit(stored: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=f"images: .*{message}"):
        FactorGrid(stored, SPACE, name="test", source="memory")


def test_refuses_bits_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="bits"):
        PackedImages(np.zeros((30, 11), np.uint8), (4, 8, 3))
