"""dSprites [matthey2017]: drawn here, or from the official npz or hdf5 file; and its variants with a nuisance."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_datasets import dsprites
from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.nuisance import Draw, NuisanceGrid
from disent_datasets.originals import npz
from disent_datasets.originals.files import RemoteFile
from disent_datasets.registry import REGISTERED, register_dataset
from disent_datasets.request import Request
from disent_datasets.storage.stored import stored_grid
from disent_datasets.storage.writing import Origin

LICENCE = "Apache-2.0"
CITATION = "Matthey, Higgins, Hassabis, Lerchner: dSprites, disentanglement testing sprites dataset, 2017"
PAGE = "https://github.com/google-deepmind/dsprites-dataset"

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


@register_dataset(
    "dsprites",
    title="dSprites",
    factors=dsprites.SPACE,
    shape=(64, 64, 1),
    licence=LICENCE,
    citation=CITATION,
    sources=("drawn", "official"),
    scale=1,
    fingerprints={"drawn": dsprites.FINGERPRINT},
    needs_files=("official",),
    page=PAGE,
    ambiguous=("orientation",),
)
def _dsprites(request: Request) -> FactorGrid:
    """All 737,280 images: drawn here, or from the official file."""
    if request.source == "drawn":
        return drawn_grid(request, np.arange(dsprites.SPACE.size))
    return stored_grid(request, lambda: official_origin(request), rebuild=False)


def drawn_grid(request: Request, indices: NDArray[np.int64]) -> FactorGrid:
    """The stored grid of some dSprites images (n,), drawn first if that has not been done."""
    origin = Origin(lambda: dsprites.draw_all(dsprites.SPACE.factors(indices)), "drawing")
    return stored_grid(request, lambda: origin, rebuild=True)


Drawing = Callable[[Request], tuple[Draw, str]]


def register_variant(
    name: str,
    *,
    title: str,
    nuisance: str,
    needs_files: tuple[str, ...] = ("official",),
    own_files: bool = False,
) -> Callable[[Drawing], Drawing]:
    """Register dSprites with a nuisance [arXiv:1811.12359]: the sprites are stored, the rest is drawn on demand.

    The decorated function returns how images are made from the stored sprites, and a name for that, which enters
    the fingerprint. Rules are disentanglement_lib's; its floats are rounded to 255 steps here.

    Args:
        name: registered name.
        title: the name as papers write it.
        nuisance: what is sampled anew for each batch, in words.
        needs_files: the sources that need original files.
        own_files: whether the files that a user gives are the variant's own instead of those of the sprites.
    """

    def register(drawing: Drawing) -> Drawing:
        @register_dataset(
            name,
            title=title,
            factors=dsprites.SPACE,
            shape=(64, 64, 3),
            licence=LICENCE,
            citation="Locatello et al.: Challenging common assumptions in the unsupervised learning of disentangled "
            "representations, ICML 2019; sprites: Matthey et al., 2017",
            sources=("drawn", "official"),
            needs_files=needs_files,
            page=PAGE,
            ambiguous=("orientation",),
            nuisance=nuisance,
            stored=REGISTERED["dsprites"].info,
        )
        def factory(request: Request) -> FactorGrid:
            draw, recipe = drawing(request)
            sprites = replace(request.storage, files=() if own_files else request.files)
            return NuisanceGrid(_dsprites(sprites), request.info, draw, recipe)

        return drawing

    return register


def official_origin(request: Request) -> Origin:
    """The images of the official npz or hdf5 file, which is downloaded if it is not there.

    Raises:
        DataError: if there is none and none can be had, or ``request.verify`` and the checksum differs.
    """
    from disent_datasets.originals.download import obtain

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
    import h5py

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
