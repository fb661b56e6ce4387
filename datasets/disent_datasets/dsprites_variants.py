"""Colour, noisy and scream dSprites [locatello2019]: sprites with a nuisance that is drawn anew at each sampling.

Rules as in disentanglement_lib; its floats are rounded to 255 steps here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from disent_datasets.atomic import write_whole
from disent_datasets.errors import DataError
from disent_datasets.grid import FactorGrid
from disent_datasets.nuisance import Draw

SHAPE = (64, 64, 3)
PICTURE_BOX = (350, 274)
"""Width and height that the picture behind the scream sprites is shrunk into."""


def draw_colour(base: FactorGrid, indices: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.uint8]:
    """White sprites times one colour per image, uniform in [0.5, 1] for red, green and blue."""
    colours = np.rint(255 * generator.uniform(0.5, 1, (len(indices), 3))).astype(np.uint8)
    sprites = base.images(indices)[..., 0]
    images = np.empty((len(indices), *SHAPE), np.uint8)
    # Channel by channel: broadcasting over an axis of three is ten times slower.
    for channel in range(3):
        np.multiply(sprites, colours[:, channel, None, None], out=images[..., channel])
    return images


def draw_noisy(base: FactorGrid, indices: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.uint8]:
    """``min(1, sprite + noise)``, the noise uniform in [0, 1] for each pixel and channel."""
    images = generator.integers(0, 256, (len(indices), *SHAPE), dtype=np.uint8)
    white = 255 * base.images(indices)[..., 0]
    for channel in range(3):
        images[..., channel] |= white
    return images


def draw_on_picture(picture: NDArray[np.uint8]) -> Draw:
    """Crops of a picture, averaged with one colour per image, inverted where the sprite is.

    Args:
        picture: uint8 (h, w, 3), from `read_picture`.
    """
    # As in disentanglement_lib, the last row and the last column of the picture are never used.
    places = np.array(picture.shape[:2]) - 64
    windows = np.lib.stride_tricks.sliding_window_view(picture, SHAPE)[:, :, 0]

    def draw(base: FactorGrid, indices: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.uint8]:
        top, left = generator.integers(0, places, (len(indices), 2)).T
        colours = generator.uniform(0, 255, (len(indices), 3)).astype(np.float32)
        invert = 255 * base.images(indices)[..., 0]
        images = windows[top, left]
        for channel in range(3):
            behind = (images[..., channel] + colours[:, channel, None, None]) / 2
            images[..., channel] = np.rint(behind).astype(np.uint8) ^ invert
        return images

    return draw


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture and shrink it into `PICTURE_BOX`, keeping its proportions.

    Raises:
        DataError: if it is no picture, or too small to crop 64 x 64 pixels from.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            shrunk = picture.convert("RGB")
            shrunk.thumbnail(PICTURE_BOX)
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"{path} cannot be read as a picture ({error})") from error
    if min(shrunk.size) <= 64:
        raise DataError(f"{path}: need a picture of more than 64 x 64 pixels, got {shrunk.width} x {shrunk.height}")
    return np.asarray(shrunk)


def keep_picture(path: Path, place: Path) -> None:
    """Copy a picture to where the next loading will look for it.

    Raises:
        DataError: if another file is there already.
    """
    content = path.read_bytes()
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, content)
    elif place.read_bytes() != content:
        raise DataError(f"{place} is another picture than {path}; remove it first")
