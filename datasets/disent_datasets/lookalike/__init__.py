"""Look-alikes of Shapes3D, MPI3D, SmallNORB and Cars3D, rendered by a small ray caster."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disent_datasets import catalogue
from disent_datasets.lookalike.registration import LOOK_ALIKES
from disent_datasets.lookalike.renderer import SIZE, LookAlike

__all__ = ["look_alikes", "render"]


def look_alikes() -> dict[str, LookAlike]:
    """All look-alikes by registered name."""
    return {name: LOOK_ALIKES[name] for name in catalogue.names() if name in LOOK_ALIKES}


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
    known = look_alikes()
    if name not in known:
        raise ValueError(f"name: no look-alike is called {name!r}; known: {', '.join(known)}")
    return known[name].render(factors, size)
