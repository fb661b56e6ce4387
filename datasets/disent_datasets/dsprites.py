"""dSprites [matthey2017], drawn exactly from its geometry.

The rule was reconstructed from published images and reproduces the animation of the official repository
pixel for pixel. In the whole set a few dozen single pixels may differ from the official file by rounding,
and at most 0.5 % of the images by about one pixel if that file breaks left-right ties the other way (both
inferred, from published totals: 128,328,869 lit pixels here, 128,328,862 there).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disent_datasets.factors import FactorSpace

SPACE = FactorSpace(("shape", "scale", "orientation", "posX", "posY"), (3, 6, 40, 32, 32))
"""The official file's first factor, colour, has a single value and is left out."""

FINGERPRINT = "39909056f0ee8a6092932e4fb12664c2f13685603ae59d9c4a267d365a29a296"
"""SHA-256 of all images drawn by this rule."""

RADIUS = 9.6
"""0.15 of the 64-pixel canvas."""


def draw(factors: ArrayLike) -> NDArray[np.uint8]:
    """Draw dSprites images.

    Each outline is scaled, turned counter-clockwise about its reference point by ``2 pi orientation / 39``
    and moved to ``16 + 32 pos / 31`` pixels (y downwards); its corners are rounded to 1/256 pixel. A pixel is
    lit if its centre lies inside; left and bottom edges belong to the shape, right and top edges do not.

    Args:
        factors: integers (n, 5): shape (0 square, 1 ellipse, 2 heart), scale, orientation, posX, posY.

    Returns:
        uint8 (n, 64, 64) with values 0 and 1; row 0 is the top.

    Raises:
        ValueError: if a factor is out of range.
    """
    # Imported when first needed: numba costs more than the rest of this package.
    from disent_datasets.raster import draw_fans

    shape, scale, orientation, x, y = SPACE.check(factors).T
    rows = np.empty((len(x), 64), dtype=np.uint64)
    outline = (shape * SPACE.sizes[1] + scale) * SPACE.sizes[2] + orientation
    draw_fans(rows, outline, x, y, *_outlines(), _centres())
    pixels = np.unpackbits(rows.astype("<u8", copy=False).view(np.uint8), bitorder="little")
    return pixels.reshape(-1, 64, 64)


def draw_all(factors: NDArray[np.int64], block: int = 8192) -> Iterator[NDArray[np.uint8]]:
    """Draw many images, (at most ``block``, 64, 64, 1) at a time."""
    for start in range(0, len(factors), block):
        yield draw(factors[start : start + block])[..., None]


def _centres() -> NDArray[np.float64]:
    return 16 + 32 * np.linspace(0, 1, 32)


@functools.cache
def _outlines() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Corners of every (shape, scale, orientation), (720, 150) each way, and how many count in each row."""
    outlines = [np.array(corners) for corners in (_square(), _ellipse(), _heart())]
    most = max(map(len, outlines))
    offsets = np.zeros((2, *SPACE.sizes[:3], most))
    for shape, corners in enumerate(outlines):
        for scale, size in enumerate(np.linspace(0.5, 1, 6)):
            for orientation, angle in enumerate(np.linspace(0, 2 * math.pi, 40)):
                cos, sin = math.cos(angle), math.sin(angle)
                turn = np.array([[cos, sin], [-sin, cos]])
                offsets[:, shape, scale, orientation, : len(corners)] = size * (turn @ corners.T)
    x, y = offsets.reshape(2, -1, most)
    return x, y, np.repeat([len(corners) for corners in outlines], x.shape[0] // 3)


def _square() -> list[tuple[float, float]]:
    return [(RADIUS, RADIUS), (-RADIUS, RADIUS), (-RADIUS, -RADIUS), (RADIUS, -RADIUS)]


def _ellipse() -> list[tuple[float, float]]:
    return [(1.33 * RADIUS * math.cos(f), RADIUS / 1.33 * math.sin(f)) for f in _angles(100)]


def _heart() -> list[tuple[float, float]]:
    """From the notch over the right lobe to the tip and back."""

    def down(f: float) -> float:
        wave = 13 * math.cos(f) - 5 * math.cos(2 * f) - 2 * math.cos(3 * f) - math.cos(4 * f)
        return -0.15 - wave / 14.5

    return [(RADIUS * math.sin(f) ** 3, RADIUS * down(f)) for f in _angles(150)]


def _angles(count: int) -> list[float]:
    return [2 * math.pi * k / count for k in range(count)]
