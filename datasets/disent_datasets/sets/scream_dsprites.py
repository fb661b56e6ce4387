"""Scream-dSprites [arXiv:1811.12359]: sprites as inverted pixels of a random part of a picture."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from disent_datasets.errors import DataError
from disent_datasets.grid import FactorGrid
from disent_datasets.nuisance import Draw
from disent_datasets.originals.files import RemoteFile, locate
from disent_datasets.request import Request
from disent_datasets.sets.dsprites import register_variant
from disent_datasets.storage.atomic import write_whole

SHAPE = (64, 64, 3)
PICTURE_BOX = (350, 274)
"""Width and height that the picture is shrunk into."""


@register_variant(
    "scream_dsprites",
    title="Scream-dSprites",
    nuisance="which part of the picture is behind the sprite",
    needs_files=("drawn", "official"),
    own_files=True,
)
def _scream(request: Request) -> tuple[Draw, str]:
    """The picture behind the sprites cannot be shipped: the user gives it, or puts it where disentanglement_lib has it.

    It is read at each loading, and therefore copied into the data set's folder if it is given by its path.
    """
    path = locate(replace(request, verify=False), [RemoteFile("scream.jpg")], ["scream"])
    if path is None:
        raise DataError(
            f"scream_dsprites needs a picture of Munch's The Scream: put it as scream.jpg into "
            f"{request.data_dir / 'scream'}, or give its path as --file or files= (disentanglement_lib takes "
            "The_Scream.jpg of Wikimedia Commons)"
        )
    picture = read_picture(path)
    if request.files:
        keep_picture(path, request.folder / "scream.jpg")
    return draw_on_picture(picture), f"scream 1 {hashlib.sha256(picture.tobytes()).hexdigest()}"


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
