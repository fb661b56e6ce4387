"""Shapes3D [burgess2018], from the official hdf5 file."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.registry import register_dataset
from disent_datasets.request import Request
from disent_datasets.storage.stored import stored_grid
from disent_datasets.storage.writing import Origin

SPACE = FactorSpace(
    ("floor hue", "wall hue", "object hue", "scale", "shape", "orientation"),
    (10, 10, 10, 8, 4, 15),
)
URL = "https://storage.googleapis.com/3d-shapes/3dshapes.h5"
CHECKSUM = "sha256:0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785"
BLOCK = 4800
"""Images read at once: 59 MB."""


@register_dataset(
    "shapes3d",
    title="3D Shapes",
    factors=SPACE,
    shape=(64, 64, 3),
    licence="Apache-2.0",
    citation="Burgess, Kim: 3D Shapes Dataset, 2018; introduced by Kim, Mnih: Disentangling by Factorising, ICML 2018",
    sources=("official",),
    needs_files=("official",),
    page="https://github.com/google-deepmind/3d-shapes",
)
def _shapes3d(request: Request) -> FactorGrid:
    """All 480,000 images of the official file, which is downloaded (268 MB) and stored unpacked (5.9 GB)."""
    return stored_grid(request, lambda: official_origin(request), rebuild=False)


def official_origin(request: Request) -> Origin:
    """The images of ``3dshapes.h5``; errors as for `disent_datasets.originals.download.obtain`."""
    from disent_datasets.originals.download import obtain
    from disent_datasets.originals.files import RemoteFile

    path = obtain(request, [RemoteFile("3dshapes.h5", (URL,), (CHECKSUM,))], ["3dshapes"])
    blocks = functools.partial(_blocks, path, request)
    return Origin(blocks, "converting official", verified=request.verify)


def _blocks(path: Path, request: Request) -> Iterator[NDArray[np.uint8]]:
    import h5py

    from disent_datasets.originals.npz import readable

    space, shape = request.info.space, request.info.shape
    with readable(path, request.info.title, request.info.page), h5py.File(path, "r") as file:
        _check_order(path, file["labels"][:], space)
        images = file["images"]
        if images.shape != (space.size, *shape):
            raise DataError(f"{path}: images must have shape {(space.size, *shape)}, got {images.shape}")
        for start in range(0, space.size, BLOCK):
            yield images[start : start + BLOCK]


def _check_order(path: Path, labels: NDArray[np.float64], space: FactorSpace) -> None:
    """The file's labels (n, 6) are values such as hue 0.3; their ranks must be the row-major numbering."""
    if labels.shape != (space.size, len(space)):
        raise DataError(f"{path}: labels must have shape {(space.size, len(space))}, got {labels.shape}")
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in labels.T], axis=1)
    if not np.array_equal(ranks, space.factors(np.arange(space.size))):
        raise DataError(f"{path}: its labels are not the factors {space.names} in row-major order")
