"""A look-alike of SmallNORB [lecun2004]: a grey toy on a turntable, seen from above under one of six lights.

Ten toys of each category, always the same. The original's standard use hides which of its ten instances is shown;
here the instance is a factor like the others. The lights are an invention that covers the original's range, from
dim (grey floor) to glaring (white floor), and come from different sides; they turn with the camera.
"""

from __future__ import annotations

import functools
from random import Random

import numpy as np
from numpy.typing import NDArray

from disent_datasets.lookalike.registration import register_look_alike
from disent_datasets.lookalike.renderer import LookAlike
from disent_datasets.lookalike.scenes import Array, Scenes, around, cameras, stack
from disent_datasets.lookalike.stages import GROUND
from disent_datasets.lookalike.toys import CATEGORIES
from disent_datasets.sets.smallnorb import FULL_SPACE as SPACE

_INSTANCES = SPACE.sizes[1]
_DISTANCE, _VIEW = 7.0, 28.5
_MIDDLE = (0.0, 0.0, 0.45)
_PAINT = 0.55

_LIGHTS = np.array(
    [
        (-60.0, 60.0, 0.33, 0.18, 0.20, 0.35),
        (70.0, 50.0, 0.42, 0.27, 0.28, 0.50),
        (160.0, 55.0, 0.50, 0.30, 0.30, 0.60),
        (-120.0, 65.0, 0.62, 0.24, 0.45, 0.55),
        (0.0, 80.0, 0.72, 0.20, 0.55, 0.70),
        (110.0, 60.0, 0.84, 0.16, 0.65, 0.95),
    ]
)
"""Degrees from the camera, degrees high, floor in the shadow, its gain in the light, toy in the shadow, its gain."""


def scenes(factors: NDArray[np.int64]) -> Scenes:
    """Scenes of factor combinations (n, 5).

    Elevations are 30, 35 ... 70 degrees, azimuths 0, 20 ... 340 degrees.
    """
    category, instance, elevation, azimuth, lighting = factors.T
    n = len(factors)
    from_side, height, dark, gain, shade, shine = _LIGHTS[lighting].T
    eyes = around(_MIDDLE, _DISTANCE, 30.0 + 5.0 * elevation, 20.0 * azimuth)
    lamps = around(_MIDDLE, 9.0, height, 20.0 * azimuth + from_side)
    palettes = np.ones((n, 4, 3))
    palettes[:, 3] = _PAINT
    zeros = np.zeros(n)
    return Scenes(
        solids=_toys(),
        which=category * _INSTANCES + instance,
        palettes=palettes,
        cameras=cameras(eyes, _MIDDLE, _VIEW),
        lamps=np.concatenate([lamps, np.stack([zeros + 1.5, shade, zeros + 0.25, shine, zeros], axis=1)], axis=1),
        stages=np.stack([zeros + GROUND, zeros, zeros, dark, gain, zeros, zeros], axis=1),
    )


@functools.cache
def _toys() -> Array:
    return stack(build(Random(100 * k + j)) for k, build in enumerate(CATEGORIES) for j in range(_INSTANCES))


register_look_alike(
    LookAlike("smallnorb_lookalike", SPACE, 1, scenes, example=(0, 2, 2, 2, 2)),
    title="SmallNORB",
    original="LeCun, Huang, Bottou: Learning methods for generic object recognition, CVPR 2004",
)
