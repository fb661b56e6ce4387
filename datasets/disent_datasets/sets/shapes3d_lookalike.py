"""A look-alike of Shapes3D [burgess2018]: one object in the middle of a square room under the open sky.

Camera, room, lamp and sizes were fitted to the frames of the original's published animation; the mean absolute
difference to them is about 5.5 of 255 levels. Lengths are in the unit in which the fit was made.
"""

from __future__ import annotations

import colorsys
import functools

import numpy as np
from numpy.typing import NDArray

from disent_datasets.lookalike.kinds import BOX, CAPSULE, FRUSTUM, SPHERE
from disent_datasets.lookalike.registration import register_look_alike
from disent_datasets.lookalike.renderer import LookAlike
from disent_datasets.lookalike.scenes import Array, Scenes, cameras, rows, solid, stack
from disent_datasets.lookalike.stages import ROOM
from disent_datasets.sets.shapes3d import SPACE

_SKY = (0.600, 0.886, 0.976)
_OBJECT = 3
_VIEW, _DISTANCE, _EYE, _AIM = 45.0, 3.07, 0.91, 0.812
_LAMP = (-1.4, 0.44, 7.1, 0.0, 0.28, 0.71, 0.38, 0.19)
_STAGE = (ROOM, 3.443, 1.95, 0.34, 0.88, 0.094, 0.1)


def scenes(factors: NDArray[np.int64]) -> Scenes:
    """Scenes of factor combinations (n, 6).

    The hues are 0, 0.1 ... 0.9 of the colour circle, the scale goes from 0.75 to 1.25, and the camera goes round
    the object from -30 to 30 degrees. Shapes are cube, cylinder, sphere, capsule.
    """
    floor, wall, hue, scale, shape, orientation = factors.T
    n = len(factors)
    hues = np.array([colorsys.hsv_to_rgb(k / 10, 1, 1) for k in range(10)])
    around = np.radians(np.linspace(-30, 30, 15))[orientation]
    eye = np.stack([_DISTANCE * np.sin(around), -_DISTANCE * np.cos(around), np.full(n, _EYE)], axis=1)
    return Scenes(
        solids=_objects(),
        which=scale * 4 + shape,
        palettes=np.stack([rows(n, _SKY), hues[floor], hues[wall], hues[hue]], axis=1),
        cameras=cameras(eye, (0.0, 0.0, _AIM), _VIEW),
        lamps=rows(n, _LAMP),
        stages=rows(n, _STAGE),
    )


@functools.cache
def _objects() -> Array:
    """The object in every scale and shape."""
    return stack([_object(shape, 0.386 * scale)] for scale in np.linspace(0.75, 1.25, 8) for shape in range(4))


def _object(shape: int, half: float) -> Array:
    """The object, on the floor; ``half`` is half the side of the cube of this scale."""
    if shape == 0:
        return solid(BOX, (0, 0, half), (half, half, half), _OBJECT)
    if shape == 1:
        radius, height = 1.06 * half, 1.065 * half
        return solid(FRUSTUM, (0, 0, height), (radius, radius, height), _OBJECT)
    if shape == 2:
        radius = 1.215 * half
        return solid(SPHERE, (0, 0, radius), (radius, radius, radius), _OBJECT)
    radius = 0.928 * half
    return solid(CAPSULE, (0, 0, 2 * radius), (radius, radius, radius), _OBJECT, [1.0])


register_look_alike(
    LookAlike("shapes3d_lookalike", SPACE, 3, scenes, example=(0, 6, 3, 4, 0, 12)),
    title="Shapes3D",
    original="Burgess, Kim: 3D shapes dataset, 2018",
)
