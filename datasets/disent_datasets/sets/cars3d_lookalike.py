"""A look-alike of Cars3D [reed2015]: one car on white, without a floor.

The 183 types are cars of random measures and colours, always the same; the original's come from CAD models. Its
angles are not published: here 24 azimuths of 15 degrees and four elevations from 12 to 30 degrees.
"""

from __future__ import annotations

import colorsys
import functools
from random import Random

import numpy as np
from numpy.typing import NDArray

from disent_datasets.lookalike.registration import register_look_alike
from disent_datasets.lookalike.renderer import LookAlike
from disent_datasets.lookalike.scenes import Array, Scenes, around, cameras, rows, stack
from disent_datasets.lookalike.stages import VOID
from disent_datasets.lookalike.vehicles import car_solids, random_car
from disent_datasets.sets.cars3d import SPACE

_ELEVATIONS = np.array([12.0, 18.0, 24.0, 30.0])
_DISTANCE, _VIEW = 5.2, 29.5
_MIDDLE = (0.0, 0.0, 0.4)
_TRIM = ((0.16, 0.19, 0.24), (0.1, 0.1, 0.1), (0.7, 0.7, 0.72), (1.0, 1.0, 0.8), (0.75, 0.05, 0.05))
"""Glass, tyres, rims, head lamps, tail lamps."""


def scenes(factors: NDArray[np.int64]) -> Scenes:
    """Scenes of factor combinations (n, 3)."""
    elevation, azimuth, kind = factors.T
    n = len(factors)
    eyes = around(_MIDDLE, _DISTANCE, _ELEVATIONS[elevation], 15.0 * azimuth)
    lamps = around(_MIDDLE, 12.0, np.full(n, 55.0), 15.0 * azimuth + 40.0)
    models, paints = _fleet()
    palettes = np.concatenate([np.ones((n, 3, 3)), paints[kind][:, None], np.tile(_TRIM, (n, 1, 1))], axis=1)
    return Scenes(
        solids=models,
        which=kind,
        palettes=palettes,
        cameras=cameras(eyes, _MIDDLE, _VIEW),
        lamps=np.concatenate([lamps, rows(n, (0.0, 0.3, 0.35, 0.4, 0.1))], axis=1),
        stages=rows(n, (VOID, 0, 0, 0, 0, 0, 0)),
    )


@functools.cache
def _fleet() -> tuple[Array, Array]:
    """The solids of every type, and its colour."""
    models, paints = [], []
    for kind in range(SPACE.sizes[2]):
        chance = Random(kind)
        models.append(car_solids(random_car(chance)))
        grey = chance.random() < 0.25
        hue, strength = chance.random(), chance.uniform(0.5, 1)
        brightness = chance.uniform(0.15 if grey else 0.45, 0.95)
        paints.append(colorsys.hsv_to_rgb(hue, 0.0 if grey else strength, brightness))
    return stack(models), np.array(paints)


register_look_alike(
    LookAlike("cars3d_lookalike", SPACE, 3, scenes, example=(1, 3, 4)),
    title="Cars3D",
    original="Reed, Zhang, Zhang, Lee: Deep visual analogy-making, NIPS 2015",
)
