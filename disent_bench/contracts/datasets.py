"""What every data set promises."""

from __future__ import annotations

import disent_datasets
import numpy as np
from disent_datasets import FactorGrid

from disent_bench.contracts.contract import contract, require


def _some(grid: FactorGrid) -> np.ndarray:
    return np.random.default_rng(0).choice(grid.available, size=20)


@contract("dataset")
def images_are_what_it_says(name: str) -> None:
    """Its images are uint8 of the shape that it says, and not all the same."""
    info, grid = disent_datasets.info(name), disent_datasets.load(name)
    images = grid.images(_some(grid), np.random.default_rng(0))
    require(images.dtype == np.uint8, f"images are {images.dtype}, not uint8")
    require(images.shape[1:] == info.shape, f"images have shape {images.shape[1:]}, not {info.shape}")
    require((images != images[0]).any(), "its images are all the same")
    require(images.max() > grid.scale / 2, f"the brightest pixel is {images.max()}, where scale {grid.scale} is 1")


@contract("dataset")
def numbers_and_factors_are_a_bijection(name: str) -> None:
    """Numbers of images and factors are a bijection, and each factor varies."""
    grid = disent_datasets.load(name)
    numbers = _some(grid)
    require(np.array_equal(grid.index(grid.factors(numbers)), numbers), "numbers do not come back from factors")
    single = [factor for factor, size in zip(grid.space.names, grid.space.sizes, strict=True) if size < 2]
    require(not single, f"factor {', '.join(single)} has one value; leave it out")


@contract("dataset")
def an_image_is_itself(name: str) -> None:
    """An image is the same each time it is asked for, alone or among others."""
    grid = disent_datasets.load(name)
    if grid.nuisance:
        return
    numbers = _some(grid)
    together = grid.images(numbers)
    alone = np.concatenate([grid.images(numbers[i : i + 1]) for i in range(len(numbers))])
    require(np.array_equal(together, alone), "an image asked for alone is another than among others")
