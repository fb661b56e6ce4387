"""The official dSprites files [matthey2017]."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from disent_datasets import npz
from disent_datasets.cache import Origin
from disent_datasets.download import obtain
from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.info import Request
from disent_datasets.originals import RemoteFile

STEM = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"
_REPOSITORY = "google-deepmind/dsprites-dataset"
_COMMIT = "fa310c66517cfc1939d77fe17c725154efc97127"


def _urls(name: str) -> tuple[str, ...]:
    return (
        f"https://github.com/{_REPOSITORY}/raw/master/{name}",
        f"https://raw.githubusercontent.com/{_REPOSITORY}/{_COMMIT}/{name}",
    )


FILES = (
    RemoteFile(f"{STEM}.npz", _urls(f"{STEM}.npz"), ("md5:7da33b31b13a06f4b04a70402ce90c2e",)),
    RemoteFile(
        f"{STEM}.hdf5",
        _urls(f"{STEM}.hdf5"),
        ("sha256:729fa22e884c9c500e1f17415d580746b4c5894fbbb780a1319bbcfa39a745bb",),
    ),
)
BLOCK = 23040
"""Images in one chunk of the hdf5 file."""


def official_origin(request: Request) -> Origin:
    """The images of the official npz or hdf5 file, which is downloaded if it is not there.

    Raises:
        DataError: if there is none and none can be had, or ``request.verify`` and the checksum differs.
    """
    path = obtain(request, FILES, ["dsprites"])
    read = _npz_blocks if path.suffix == ".npz" else _hdf5_blocks

    def blocks() -> Iterator[NDArray[np.uint8]]:
        with npz.readable(path, request.info.title, request.info.page):
            yield from read(path, request.info.space)

    return Origin(blocks, "converting official", verified=request.verify)


def _npz_blocks(path: Path, space: FactorSpace) -> Iterator[NDArray[np.uint8]]:
    with zipfile.ZipFile(path) as archive, archive.open("latents_classes.npy") as member:
        _check_order(path, np.lib.format.read_array(member), space)
    for block in npz.stream(path, "imgs", (space.size, 64, 64), BLOCK):
        yield block[..., None]


def _hdf5_blocks(path: Path, space: FactorSpace) -> Iterator[NDArray[np.uint8]]:
    with h5py.File(path, "r") as file:
        _check_order(path, file["latents/classes"][:], space)
        images = file["imgs"]
        if images.shape != (space.size, 64, 64):
            raise DataError(f"{path}: imgs must have shape {(space.size, 64, 64)}, got {images.shape}")
        for start in range(0, len(images), BLOCK):
            yield images[start : start + BLOCK][..., None]


def _check_order(path: Path, classes: NDArray[Any], space: FactorSpace) -> None:
    """The file's own labels (n, 6), colour first, must be the row-major numbering."""
    if not np.array_equal(classes[:, 1:], space.factors(np.arange(space.size))):
        raise DataError(f"{path}: its latents_classes are not the factors {space.names} in row-major order")
