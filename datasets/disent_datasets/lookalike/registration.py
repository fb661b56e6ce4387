"""Look-alikes as registered data sets: rendered once and stored, or rendered whenever asked for."""

from __future__ import annotations

from disent_datasets.grid import FactorGrid
from disent_datasets.lookalike.renderer import SIZE, LookAlike, RenderedGrid
from disent_datasets.registry import register_dataset
from disent_datasets.request import Request
from disent_datasets.storage.stored import stored_grid
from disent_datasets.storage.writing import Origin

STORED = "stored"
"""Source: the whole set is rendered once, at first use."""
RENDERED = "rendered"
"""Source: each image is rendered when it is asked for, each time."""

LOOK_ALIKES: dict[str, LookAlike] = {}
"""By registered name; `disent_datasets.lookalike.look_alikes` has all of them."""


def register_look_alike(
    look_alike: LookAlike, *, title: str, original: str, sources: tuple[str, str] = (STORED, RENDERED)
) -> None:
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
        version=look_alike.version,
    )
    def factory(request: Request) -> FactorGrid:
        size = request.image_size or SIZE
        if request.source == RENDERED or size != SIZE:
            return RenderedGrid(look_alike, request.info, RENDERED, size)
        return stored_grid(request, lambda: Origin(look_alike.render_all, "rendering"), rebuild=True)
