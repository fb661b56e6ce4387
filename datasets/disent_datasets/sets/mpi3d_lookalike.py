"""A look-alike of MPI3D toy [gondal2019]: a robot arm that holds an object, before a coloured ring.

Cameras and ring were fitted to rows and columns measured in the frames of the original's published animations (all
within half a pixel), as were the colours; arm, object sizes and the angles that the axes span are by eye. Lengths
are in units of the robot's height.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from disent_datasets.lookalike.kinds import BOX, CAPSULE, FRUSTUM, HEXAGON, SPHERE
from disent_datasets.lookalike.registration import RENDERED, STORED, register_look_alike
from disent_datasets.lookalike.renderer import LookAlike
from disent_datasets.lookalike.scenes import Array, Scenes, cameras, place, rows, solid, stack
from disent_datasets.lookalike.stages import RING
from disent_datasets.sets.mpi3d import SPACE

_BACKGROUND = (52, 52, 52)
_RINGS = ((103, 78, 146), (70, 96, 92), (103, 73, 81))
_OBJECTS = ((225, 225, 225), (47, 172, 46), (244, 0, 0), (48, 120, 223), (82, 51, 34), (128, 127, 55))
_LIGHT_GREY, _DARK_GREY = (180, 180, 180), (105, 105, 105)
_OBJECT, _LIGHT, _DARK = 3, 4, 5
"""Palette rows."""

_EYES = np.array([(0, -2.636, 3.513), (0, -3.077, 2.920), (0, -3.398, 2.214)])
_PITCHES = np.array([0.831, 0.620, 0.368])
_VIEW = 45.2
_STAGE = (RING, 2.402, 3.057, 0, 0, 0, 0)
_LAMP = (-2.0, -4.0, 12.0, 0.0, 0.12, 0.58, 0.38, 0.03)
_ASIDE = 0.05
"""The robot stands a pixel to the left of the middle."""

_ELBOW = (-_ASIDE, 0.0, 1.0)
_REACH = 0.65
_SWING = np.radians(np.linspace(2, 178, 40))
"""Angle of the arm above the horizon, for each value of the horizontal axis."""
_SPIN = np.radians(np.linspace(-8, 166, 40))
"""Direction of the arm, from the right to the back, for each value of the vertical axis."""


def scenes(factors: NDArray[np.int64]) -> Scenes:
    """Scenes of factor combinations (n, 7).

    The horizontal axis swings the arm from one side over the top to the other; the vertical axis turns the robot
    from the right round the back to the left. Shapes are cone, cube, cylinder, hexagonal prism, pyramid, sphere.
    """
    colour, shape, size, height, ring, swing, spin = factors.T
    n = len(factors)
    palettes = np.empty((n, 6, 3))
    palettes[:, :2] = _BACKGROUND
    palettes[:, 2] = np.array(_RINGS)[ring]
    palettes[:, _OBJECT] = np.array(_OBJECTS)[colour]
    palettes[:, _LIGHT], palettes[:, _DARK] = _LIGHT_GREY, _DARK_GREY
    pitch = _PITCHES[height]
    ahead = np.stack([np.zeros(n), np.cos(pitch), -np.sin(pitch)], axis=1)
    return Scenes(
        solids=_robots(shape * 2 + size, _SWING[swing], _SPIN[spin]),
        which=np.arange(n),
        palettes=palettes / 255,
        cameras=cameras(_EYES[height], _EYES[height] + ahead, _VIEW),
        lamps=rows(n, _LAMP),
        stages=rows(n, _STAGE),
    )


def _robots(held: NDArray[np.int64], swing: Array, spin: Array) -> Array:
    """The robot with the arm in its place."""
    n = len(held)
    around = np.stack([np.cos(spin), np.sin(spin), np.zeros(n)], axis=1)
    axle = np.stack([-np.sin(spin), np.cos(spin), np.zeros(n)], axis=1)
    top = np.tile((0.0, 0.0, 1.0), (n, 1))
    along = np.cos(swing)[:, None] * around + np.sin(swing)[:, None] * top
    arms, joint, foot = _parts()
    upright = np.stack([around, axle, top], axis=2)
    swung = np.stack([np.cross(axle, along), axle, along], axis=2)
    joints, feet = np.tile(joint, (n, 1, 1)), np.tile(foot, (n, 1, 1))
    return np.concatenate([place(arms[held], swung, _ELBOW), place(joints, upright, _ELBOW), feet], axis=1)


@functools.cache
def _parts() -> tuple[Array, Array, Array]:
    """Arms with every object in both sizes; what turns below them; what stands still."""
    arms = [_arm(shape, half) for shape in range(6) for half in (0.15, 0.22)]
    return stack(arms), stack([_joint()]), stack([_foot()])


def _foot() -> list[Array]:
    """What stands still."""
    return [
        solid(FRUSTUM, (-_ASIDE, 0, 0.03), (0.235, 0.235, 0.03), _LIGHT),
        solid(FRUSTUM, (-_ASIDE, 0, 0.07), (0.15, 0.15, 0.03), _DARK),
        solid(BOX, (0.08 - _ASIDE, -0.13, 0.1), (0.06, 0.06, 0.07), _LIGHT),
    ]


def _joint() -> list[Array]:
    """What turns about the vertical axis; the arm points along x."""
    return [
        solid(BOX, (0, 0, -0.48), (0.085, 0.11, 0.46), _DARK),
        solid(CAPSULE, (0, 0, 0), (0.1, 0.1, 0.1), _LIGHT, [0.8], turn=((1, 0, 0), (0, 0, 1), (0, -1, 0))),
        solid(BOX, (0.06, 0.05, -0.17), (0.08, 0.09, 0.07), _LIGHT),
    ]


def _arm(shape: int, half: float) -> list[Array]:
    """The arm and the object, along z; ``half`` is half the object's length."""
    rod = solid(CAPSULE, (0, 0, _REACH / 2), (0.032, 0.032, 0.032), _LIGHT, [_REACH / 0.064 - 1])
    middle, wide, narrow = (0, 0, _REACH + half), 1.15 * half, 0.85 * half
    kinds = (
        solid(FRUSTUM, middle, (wide, wide, half), _OBJECT, [1.0]),
        solid(BOX, middle, (narrow, narrow, half), _OBJECT),
        solid(FRUSTUM, middle, (narrow, narrow, half), _OBJECT),
        solid(HEXAGON, middle, (half, half, half), _OBJECT),
        solid(BOX, middle, (wide, wide, half), _OBJECT, [1.0, 1.0]),
        solid(SPHERE, middle, (half, half, half), _OBJECT),
    )
    return [kinds[shape], rod]


register_look_alike(
    LookAlike("mpi3d_lookalike", SPACE, 3, scenes, example=(2, 1, 1, 1, 1, 10, 8)),
    title="MPI3D toy",
    original="Gondal et al.: On the transfer of inductive bias from simulation to the real world, NeurIPS 2019",
    sources=(RENDERED, STORED),  # storing all of it takes minutes and 12.7 GB
)
