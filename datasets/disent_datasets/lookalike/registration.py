"""Look-alikes as registered data sets: rendered once and stored, or rendered whenever asked for."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disent_datasets.cache import Origin, stored_grid
from disent_datasets.grid import FactorGrid
from disent_datasets.info import Request
from disent_datasets.lookalike.renderer import SIZE, LookAlike, RenderedGrid
from disent_datasets.source import register_dataset

STORED = "stored"
"""Source: the whole set is rendered once, at first use."""
RENDERED = "rendered"
"""Source: each image is rendered when it is asked for, each time."""

LOOK_ALIKES: dict[str, LookAlike] = {}
"""By registered name."""


def register(look_alike: LookAlike, title: str, original: str, sources: tuple[str, str]) -> None:
    """Register a look-alike under its name.

    Args:
        look_alike: makes the images.
        title: of the original, as papers write it.
        original: citation of the original.
        sources: `STORED` and `RENDERED`, the default first.
    """
    LOOK_ALIKES[look_alike.name] = look_alike

    @register_dataset(
        look_alike.name,
        title=f"{title} look-alike",
        factors=look_alike.space,
        shape=(SIZE, SIZE, look_alike.channels),
        licence="Apache-2.0",
        citation=f"disent-bench, rendered by this package; not the data set that it resembles: {original}",
        sources=sources,
        on_demand=(RENDERED,),
    )
    def factory(request: Request) -> FactorGrid:
        if request.source == RENDERED:
            return RenderedGrid(look_alike, request.info, RENDERED)
        return _stored(look_alike, request)


def render(name: str, factors: ArrayLike, size: int = SIZE) -> NDArray[np.uint8]:
    """Render images of a look-alike, at any resolution.

    Args:
        name: registered name, for instance ``"shapes3d_lookalike"``.
        factors: integers (n, k), in the order of the data set's factor space.
        size: height and width in pixels.

    Returns:
        uint8 (n, size, size, c).

    Raises:
        ValueError: if no look-alike has this name, or a factor is out of range, or the size is not positive.
    """
    if name not in LOOK_ALIKES:
        raise ValueError(f"name: no look-alike is called {name!r}; known: {', '.join(sorted(LOOK_ALIKES))}")
    return LOOK_ALIKES[name].render(factors, size)


def _stored(look_alike: LookAlike, request: Request) -> FactorGrid:
    """The stored set, rendered anew if another version of this package stored it."""
    origin = Origin(look_alike.render_all, "rendering", resumable=True)
    grid = stored_grid(request, lambda: origin, rebuild=True)
    indices, images = look_alike.sample
    if not np.array_equal(grid.images(indices), images):
        warnings.warn(f"{request.folder}: stored by another version of this package; rendering it again", stacklevel=2)
        for ending in ("json", "npy"):
            (request.folder / f"{request.source}.{ending}").unlink(missing_ok=True)
        grid = stored_grid(request, lambda: origin, rebuild=True)
    return grid
