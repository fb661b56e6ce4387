"""4,608 of the dSprites images, for tests and demonstrations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from disent_datasets import dsprites
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.registry import register_dataset
from disent_datasets.request import Request
from disent_datasets.sets.dsprites import CITATION, LICENCE, drawn_grid

STEPS = (
    (0, 1, 2),
    (1, 3, 5),
    (0, 5, 10, 15, 20, 25, 30, 35),
    (0, 4, 9, 13, 18, 22, 27, 31),
    (0, 4, 9, 13, 18, 22, 27, 31),
)
"""The dSprites factor values that are kept."""

SPACE = FactorSpace(dsprites.SPACE.names, [len(steps) for steps in STEPS])


@register_dataset(
    "toy_grid",
    title="toy grid",
    factors=SPACE,
    shape=(64, 64, 1),
    licence=LICENCE,
    citation=CITATION,
    sources=("drawn",),
    scale=1,
    ambiguous=("orientation",),
)
def _toy_grid(request: Request) -> FactorGrid:
    return drawn_grid(request, dsprites.SPACE.index(sprite_factors()))


def sprite_factors() -> NDArray[np.int64]:
    """The dSprites factors (4608, 5) of the images, in index order."""
    steps = SPACE.factors(np.arange(SPACE.size))
    return np.stack([np.array(kept)[column] for kept, column in zip(STEPS, steps.T, strict=True)], axis=1)
