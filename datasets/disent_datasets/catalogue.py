"""The data sets that come with this package."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from disent_datasets import dsprites
from disent_datasets.cache import Origin, stored_grid
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.info import Request
from disent_datasets.source import register_dataset

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
)
def _dsprites(request: Request) -> FactorGrid:
    """All 737,280 images: drawn here, or the official file that the user has."""
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
)
def _toy_grid(request: Request) -> FactorGrid:
    """4,608 of the dSprites images, for tests and demonstrations."""
    return _drawn(request, dsprites.SPACE.index(toy_factors()))


def toy_factors() -> NDArray[np.int64]:
    """The dSprites factors (4608, 5) of the toy grid's images, in its index order."""
    steps = TOY_SPACE.factors(np.arange(TOY_SPACE.size))
    return np.stack([np.array(kept)[column] for kept, column in zip(TOY_STEPS, steps.T, strict=True)], axis=1)


def _drawn(request: Request, indices: NDArray[np.int64]) -> FactorGrid:
    origin = Origin(lambda: dsprites.draw_all(dsprites.SPACE.factors(indices)), "drawing")
    return stored_grid(request, lambda: origin, rebuild=True)
