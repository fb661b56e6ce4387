"""The data sets that come with this package."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from disent_datasets import dsprites, dsprites_variants
from disent_datasets.cache import Origin, stored_grid
from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.info import Request
from disent_datasets.nuisance import Draw, NuisanceGrid
from disent_datasets.source import info, register_dataset

TOY_STEPS = (
    (0, 1, 2),
    (1, 3, 5),
    (0, 5, 10, 15, 20, 25, 30, 35),
    (0, 4, 9, 13, 18, 22, 27, 31),
    (0, 4, 9, 13, 18, 22, 27, 31),
)
"""The dSprites factor values that `toy_grid` keeps."""

TOY_SPACE = FactorSpace(dsprites.SPACE.names, [len(steps) for steps in TOY_STEPS])


@register_dataset(
    "dsprites",
    title="dSprites",
    factors=dsprites.SPACE,
    shape=(64, 64, 1),
    licence="Apache-2.0",
    citation="Matthey, Higgins, Hassabis, Lerchner: dSprites, disentanglement testing sprites dataset, 2017",
    sources=("drawn", "official"),
    scale=1,
    fingerprints={"drawn": dsprites.FINGERPRINT},
    needs_files=("official",),
    page="https://github.com/google-deepmind/dsprites-dataset",
    ambiguous=("orientation",),
)
def _dsprites(request: Request) -> FactorGrid:
    """All 737,280 images: drawn here, or from the official file."""
    if request.source == "drawn":
        return _drawn(request, np.arange(dsprites.SPACE.size))
    from disent_datasets.dsprites_official import official_origin

    return stored_grid(request, lambda: official_origin(request), rebuild=False)


@register_dataset(
    "toy_grid",
    title="toy grid",
    factors=TOY_SPACE,
    shape=(64, 64, 1),
    licence="Apache-2.0",
    citation="Matthey, Higgins, Hassabis, Lerchner: dSprites, disentanglement testing sprites dataset, 2017",
    sources=("drawn",),
    scale=1,
    ambiguous=("orientation",),
)
def _toy_grid(request: Request) -> FactorGrid:
    """4,608 of the dSprites images, for tests and demonstrations."""
    return _drawn(request, dsprites.SPACE.index(toy_factors()))


def toy_factors() -> NDArray[np.int64]:
    """The dSprites factors (4608, 5) of the toy grid's images, in its index order."""
    steps = TOY_SPACE.factors(np.arange(TOY_SPACE.size))
    return np.stack([np.array(kept)[column] for kept, column in zip(TOY_STEPS, steps.T, strict=True)], axis=1)


def _register_variant(
    name: str,
    title: str,
    nuisance: str,
    draw: Callable[[Request], tuple[Draw, str]],
    needs_files: tuple[str, ...],
    own_files: bool = False,
) -> None:
    """Register a variant of dSprites; ``draw`` returns how its images are made, and a name for that.

    Files that the user gives are those of ``draw`` if it has ``own_files``, else those of the sprites.
    """

    @register_dataset(
        name,
        title=title,
        factors=dsprites.SPACE,
        shape=dsprites_variants.SHAPE,
        licence="Apache-2.0",
        citation="Locatello et al.: Challenging common assumptions in the unsupervised learning of disentangled "
        "representations, ICML 2019; sprites: Matthey et al., 2017",
        sources=("drawn", "official"),
        needs_files=needs_files,
        page=info("dsprites").page,
        ambiguous=("orientation",),
        nuisance=nuisance,
        stored=info("dsprites"),
    )
    def factory(request: Request) -> FactorGrid:
        drawing, recipe = draw(request)
        sprites = replace(request.storage, files=() if own_files else request.files)
        return NuisanceGrid(_dsprites(sprites), request.info, drawing, recipe)


def _scream(request: Request) -> tuple[Draw, str]:
    """The picture behind the sprites cannot be shipped: the user gives it, or puts it where disentanglement_lib has it.

    It is read at each loading, and therefore copied into the data set's folder if it is given by its path.
    """
    from disent_datasets.originals import RemoteFile, locate

    path = locate(replace(request, verify=False), [RemoteFile("scream.jpg")], ["scream"])
    if path is None:
        raise DataError(
            f"scream_dsprites needs a picture of Munch's The Scream: put it as scream.jpg into "
            f"{request.data_dir / 'scream'}, or give its path as --file or files= (disentanglement_lib takes "
            "The_Scream.jpg of Wikimedia Commons)"
        )
    picture = dsprites_variants.read_picture(path)
    if request.files:
        dsprites_variants.keep_picture(path, request.folder / "scream.jpg")
    return dsprites_variants.draw_on_picture(picture), f"scream 1 {hashlib.sha256(picture.tobytes()).hexdigest()}"


_register_variant(
    "color_dsprites",
    "Color-dSprites",
    "the colour of the sprite",
    lambda request: (dsprites_variants.draw_colour, "colour 1"),
    ("official",),
)
_register_variant(
    "noisy_dsprites",
    "Noisy-dSprites",
    "noise in the background",
    lambda request: (dsprites_variants.draw_noisy, "noise 1"),
    ("official",),
)
_register_variant(
    "scream_dsprites",
    "Scream-dSprites",
    "which part of the picture is behind the sprite",
    _scream,
    ("drawn", "official"),
    own_files=True,
)


def _drawn(request: Request, indices: NDArray[np.int64]) -> FactorGrid:
    def blocks(first: int = 0) -> Iterator[NDArray[np.uint8]]:
        return dsprites.draw_all(dsprites.SPACE.factors(indices), first)

    return stored_grid(request, lambda: Origin(blocks, "drawing", resumable=True), rebuild=True)
