"""MPI3D [gondal2019]: toy, realistic, real and real-complex, from the official npz files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.originals import npz
from disent_datasets.registry import register_dataset
from disent_datasets.request import Request
from disent_datasets.storage.stored import stored_grid
from disent_datasets.storage.writing import Origin

NAMES = (
    "object color",
    "object shape",
    "object size",
    "camera height",
    "background color",
    "horizontal axis",
    "vertical axis",
)
SPACE = FactorSpace(NAMES, (6, 6, 2, 3, 3, 40, 40))
COMPLEX_SPACE = FactorSpace(NAMES, (4, 4, 2, 3, 3, 40, 40))
"""Of real-complex, and of the first release of the others for the challenge of 2019."""

PAGE = "https://github.com/rr-learning/disentanglement_dataset"
HOST = "https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main"
COMPLEX_NAME = "real3d_complicated_shapes_ordered.npz"
COMPLEX_URL = (
    "https://drive.usercontent.google.com/download?id=1Tp8eTdHxgUMtsZv5uAoYAbJR1BOa_OQm&export=download&confirm=t"
)
BLOCK = 4800
"""Images read at once: 59 MB."""

# Of the files published in 2019; whether those published since 2025 are the same byte by byte is not known.
MD5 = {
    "toy": "55889cb7c7dfc655d6e0277beee88868",
    "realistic": "59a6225b88b635365f70c91b3e52f70f",
    "real": "0f33f609918fb5c97996692f91129802",
}


def _register(kind: str, title: str, space: FactorSpace) -> None:
    @register_dataset(
        f"mpi3d_{kind}",
        title=title,
        factors=space,
        shape=(64, 64, 3),
        licence="CC BY 4.0",
        citation="Gondal et al.: On the transfer of inductive bias from simulation to the real world: "
        "a new disentanglement dataset, NeurIPS 2019",
        sources=("official",),
        needs_files=("official",),
        page=PAGE,
        ambiguous=NAMES,
    )
    def factory(request: Request) -> FactorGrid:
        return stored_grid(request, lambda: official_origin(request, kind), rebuild=False)


_register("toy", "MPI3D toy", SPACE)
_register("realistic", "MPI3D realistic", SPACE)
_register("real", "MPI3D real", SPACE)
_register("complex", "MPI3D real-complex", COMPLEX_SPACE)


def official_origin(request: Request, kind: str) -> Origin:
    """The images of the official npz file of one kind, which has nothing but them.

    Raises:
        DataError: as for `disent_datasets.originals.download.obtain`, or if the file is another release.
    """
    from disent_datasets.originals.download import obtain
    from disent_datasets.originals.files import RemoteFile

    if kind == "complex":
        file = RemoteFile(COMPLEX_NAME, (COMPLEX_URL,), exhaustive=False)
    else:
        name = f"mpi3d_{kind}.npz"
        file = RemoteFile(name, (f"{HOST}/{name}",), (f"md5:{MD5[kind]}",), exhaustive=False)
    path = obtain(request, [file])
    return Origin(lambda: _blocks(path, request), "converting official", verified=request.verify)


def _blocks(path: Path, request: Request) -> Iterator[NDArray[np.uint8]]:
    info = request.info
    with npz.readable(path, info.title, info.page):
        _check_release(path, request)
        yield from npz.stream(path, "images", (info.space.size, *info.shape), BLOCK)


def _check_release(path: Path, request: Request) -> None:
    """Tell the releases apart by their numbers of images: read with wrong sizes, one is silently mis-labelled."""
    info = request.info
    found = npz.shape_of(path, "images")[0]
    if found == COMPLEX_SPACE.size != info.space.size:
        raise DataError(
            f"{path} has 460,800 images: it is real-complex or the first release of 2019 (4 colours, 4 shapes), "
            f"not {info.title} with {info.space.size:,} (6 colours, 6 shapes); get that from {info.page}"
        )
    if found == SPACE.size != info.space.size:
        raise DataError(
            f"{path} has 1,036,800 images: it is MPI3D toy, realistic or real, not {info.title} with "
            f"{info.space.size:,}; get that from {info.page}"
        )
