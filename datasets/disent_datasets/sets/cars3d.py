"""Cars3D [reed2015]: rendered cars, from the official archive."""

from __future__ import annotations

import io
import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.originals.npz import readable
from disent_datasets.registry import register_dataset
from disent_datasets.request import Request
from disent_datasets.storage.stored import stored_grid
from disent_datasets.storage.writing import Origin

SPACE = FactorSpace(("elevation", "azimuth", "object type"), (4, 24, 183))
ARCHIVE = "nips2015-analogy-data.tar.gz"
URL = f"http://www.scottreed.info/files/{ARCHIVE}"
CHECKSUM = "md5:4e866a7919c1beedf53964e6f7a23686"
SIDE = 128
"""Pixels of an original image each way."""


@register_dataset(
    "cars3d",
    title="Cars3D",
    factors=SPACE,
    shape=(64, 64, 3),
    licence="not found (no statement by the authors seen)",
    citation="Reed, Zhang, Zhang, Lee: Deep visual analogy-making, NIPS 2015",
    sources=("official",),
    needs_files=("official",),
    page=URL,
    ambiguous=SPACE.names,
)
def _cars3d(request: Request) -> FactorGrid:
    """All 17,568 images, shrunk to 64 x 64."""
    return stored_grid(request, lambda: official_origin(request), rebuild=False)


def official_origin(request: Request) -> Origin:
    """The images of the official archive, or of disentanglement_lib's folder of unpacked files.

    Raises:
        DataError: as for `disent_datasets.originals.download.obtain`.
    """
    from disent_datasets.originals.download import obtain
    from disent_datasets.originals.files import RemoteFile, locate

    files = [RemoteFile(ARCHIVE, (URL,), (CHECKSUM,))]
    unpacked = request.data_dir / "cars"
    path = locate(request, files, ["cars"])
    if path is None and (unpacked / "list.txt").is_file():
        path = unpacked
        warnings.warn(f"{path}: no checksum of unpacked files is published; only the format is checked", stacklevel=2)
    path = path or obtain(request, files)
    return Origin(lambda: _blocks(path, request), "converting official", verified=request.verify)


def _packed(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the archive's files about cars, in one pass."""
    with tarfile.open(path) as archive:
        for member in archive:
            folder, _, name = member.name.removeprefix("./").rpartition("/")
            file = archive.extractfile(member) if folder == "data/cars" else None
            if file is not None:
                yield name, file.read()


def _unpacked(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.iterdir()):
        if path.suffix in (".mat", ".txt"):
            yield path.name, path.read_bytes()


def _blocks(path: Path, request: Request) -> Iterator[NDArray[np.uint8]]:
    """One view (elevation, azimuth) of all types at a time; the shrunk images (216 MB) wait in memory."""
    cars: dict[str, NDArray[np.uint8]] = {}
    listed: list[str] | None = None
    with readable(path, request.info.title, request.info.page):
        for name, content in _unpacked(path) if path.is_dir() else _packed(path):
            if name == "list.txt":
                listed = content.decode().split()
            elif name.endswith(".mat"):
                cars[name.removesuffix(".mat")] = _views(path, name, content, request)
    order = _order(path, listed, cars, request.info.space)
    for elevation, azimuth in np.ndindex(request.info.space.sizes[:2]):
        yield np.stack([cars[name][elevation, azimuth] for name in order])


def _order(path: Path, listed: list[str] | None, cars: dict[str, NDArray[np.uint8]], space: FactorSpace) -> list[str]:
    """The types in the order of the authors' list (in disentanglement_lib in that of a directory listing)."""
    if listed is None:
        raise DataError(f"{path}: list.txt is missing, which numbers the types; get it again from {URL}")
    missing = [name for name in listed if name not in cars]
    if missing or len(set(listed)) != space.sizes[2]:
        what = f"{missing[0]}.mat is missing" if missing else f"list.txt names {len(set(listed))} types"
        raise DataError(f"{path}: {what}, need {space.sizes[2]} types; get it again from {URL}")
    return listed


def _views(path: Path, name: str, content: bytes, request: Request) -> NDArray[np.uint8]:
    """Images (elevation, azimuth, 64, 64, 3) of one car, shrunk by PIL's Lanczos filter."""
    from PIL import Image
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        images = loadmat(io.BytesIO(content), variable_names=["im"])["im"]
    except (MatReadError, NotImplementedError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {name} cannot be read as a MATLAB file ({error}); get it again from {URL}") from error
    elevations, azimuths, _ = request.info.space.sizes
    if images.dtype != np.uint8 or images.shape != (SIDE, SIDE, 3, azimuths, elevations):
        expected = (SIDE, SIDE, 3, azimuths, elevations)
        raise DataError(f"{path}: im of {name} must be uint8 {expected}, got {images.dtype} {images.shape}")
    height, width, _ = request.info.shape
    views = np.empty((elevations, azimuths, *request.info.shape), np.uint8)
    for elevation, azimuth in np.ndindex(elevations, azimuths):
        picture = Image.fromarray(np.ascontiguousarray(images[..., azimuth, elevation]))
        views[elevation, azimuth] = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
    return views
