from __future__ import annotations

import disent_datasets as dd
import numpy as np
import pytest

SPACE = dd.FactorSpace(("a", "b"), (100, 200))


def grid(images: np.ndarray, space: dd.FactorSpace = SPACE) -> dd.FactorGrid:
    return dd.FactorGrid(images, space, name="x", source="memory", scale=1)


def test_counts_differing_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 2, (20_000, 4, 4, 1)).astype(np.uint8)
    other = images.copy()
    other[3, 0, 0] ^= 1
    other[9000, 1:3, 1] ^= 1
    other[19_999, :, :] ^= 1
    found = dd.compare(grid(images), grid(other))
    assert found == dd.Difference(3, 19, 16, (3, 9000, 19_999))
    assert str(found) == "19 pixels differ in 3 images (at most 16 in one); first: 3, 9000, 19999"
    assert str(dd.compare(grid(images), grid(images))) == "the two are equal, pixel for pixel"


def test_refuses_other_factors() -> None:
    images = np.zeros((20_000, 4, 4, 1), np.uint8)
    with pytest.raises(ValueError, match="b: need the factors and image shape of"):
        dd.compare(grid(images), grid(images, dd.FactorSpace(("a", "b"), (200, 100))))
