"""The official dSprites files [matthey2017], read where the user has put them."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from disent_datasets.cache import Origin
from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.info import Request

PAGE = "https://github.com/google-deepmind/dsprites-dataset"
STEM = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"
CHECKSUMS = {
    f"{STEM}.npz": ("md5", "7da33b31b13a06f4b04a70402ce90c2e"),
    f"{STEM}.hdf5": ("sha256", "729fa22e884c9c500e1f17415d580746b4c5894fbbb780a1319bbcfa39a745bb"),
}
BLOCK = 23040
"""Images in one chunk of the hdf5 file."""


def official_origin(request: Request) -> Origin:
    """Find the official npz or hdf5 file and compare its checksum.

    Places: ``<data folder>/dsprites`` (disentanglement_lib's layout) and the data folder itself.

    Raises:
        DataError: if there is none, or ``request.verify`` and the checksum differs.
    """
    path = _find(request)
    if request.verify:
        algorithm, expected = CHECKSUMS[path.name]
        with _readable(path), path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if found != expected:
            raise DataError(f"{path} is not the official file: {algorithm} {found} instead of {expected}; get it again")
    read = _npz_blocks if path.suffix == ".npz" else _hdf5_blocks
    return Origin(lambda: read(path, request.info.space), "converting official", verified=request.verify)


def _find(request: Request) -> Path:
    for folder in (request.data_dir / "dsprites", request.data_dir):
        for name in CHECKSUMS:
            if (folder / name).is_file():
                return folder / name
    raise DataError(
        f"the official dSprites file is not there: put {' or '.join(CHECKSUMS)} from {PAGE} "
        f"into {request.data_dir / 'dsprites'}, or use source='drawn', which needs no download"
    )


def _npz_blocks(path: Path, space: FactorSpace) -> Iterator[NDArray[np.uint8]]:
    """Stream the images out of the archive, which would need 3 GB if read at once."""
    with _readable(path), zipfile.ZipFile(path) as archive:
        with archive.open("latents_classes.npy") as member:
            _check_order(path, np.lib.format.read_array(member), space)
        with archive.open("imgs.npy") as member:
            version = np.lib.format.read_magic(member)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, column_major, dtype = header(member)
            if column_major or dtype != np.uint8:
                raise DataError(f"{path}: imgs must be uint8 in row-major order, got {dtype}")
            pixels = _pixels(path, shape, space)
            yield from _blocks(lambda images: member.read(images * pixels), shape)


def _blocks(read: Callable[[int], bytes], shape: tuple[int, ...]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, shape[0], BLOCK):
        count = min(BLOCK, shape[0] - start)
        yield np.frombuffer(read(count), dtype=np.uint8).reshape(count, *shape[1:], 1)


def _hdf5_blocks(path: Path, space: FactorSpace) -> Iterator[NDArray[np.uint8]]:
    with _readable(path), h5py.File(path, "r") as file:
        _check_order(path, file["latents/classes"][:], space)
        images = file["imgs"]
        _pixels(path, images.shape, space)
        for start in range(0, len(images), BLOCK):
            yield images[start : start + BLOCK][..., None]


def _check_order(path: Path, classes: NDArray[Any], space: FactorSpace) -> None:
    """The file's own labels (n, 6), colour first, must be the row-major numbering."""
    if not np.array_equal(classes[:, 1:], space.factors(np.arange(space.size))):
        raise DataError(f"{path}: its latents_classes are not the factors {space.names} in row-major order")


def _pixels(path: Path, shape: tuple[int, ...], space: FactorSpace) -> int:
    if shape != (space.size, 64, 64):
        raise DataError(f"{path}: imgs must have shape {(space.size, 64, 64)}, got {shape}")
    return 64 * 64


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except (KeyError, OSError, EOFError, ValueError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as the dSprites file ({error}); get it again from {PAGE}") from error
