"""Scenes as plain arrays, many at a time: what the ray caster reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disent_datasets.lookalike.kinds import BOX, CAPSULE, SPHERE

Array = NDArray[np.float64]

SOLID = 18
"""Numbers that describe a solid: kind, centre (3), map to its own coordinates (9), parameters (3), radius, colour."""


@dataclass(frozen=True)
class Scenes:
    """A batch of n scenes, z upwards; lengths are in the unit of the data set.

    Args:
        solids: (models, most solids, `SOLID`), made by `model`.
        which: (n,), the model that each scene shows.
        palettes: (n, colours, 3), 1.0 is white: sky, floor, walls or ring, then the solids' colours.
        cameras: (n, 13), made by `cameras`.
        lamps: (n, 8): position (3), radius, then how much of a solid's colour is seen anyway, more of it the
            straighter its surface faces the camera and the lamp, and how much white it then reflects.
        stages: (n, 7): kind, two lengths (half width and height of the room, or inner and outer radius of the
            ring), brightness of the floor in the shadow and how much the lamp adds, how fast that fades with
            the squared distance, strength of the blotches on floor and walls.
    """

    solids: Array
    which: NDArray[np.int64]
    palettes: Array
    cameras: Array
    lamps: Array
    stages: Array

    def arrays(self, start: int, stop: int) -> tuple[NDArray[np.generic], ...]:
        """What `render_block` takes for scenes ``start`` to ``stop``.

        Rounded to nine decimals, which hides that sines differ in the last bit between machines.
        """
        fields = (self.palettes, self.cameras, self.lamps, self.stages)
        rest = (np.ascontiguousarray(np.round(array[start:stop], 9)) for array in fields)
        return np.round(self.solids, 9), np.ascontiguousarray(self.which[start:stop]), *rest


def solid(
    kind: int,
    centre: Sequence[float],
    half: Sequence[float],
    colour: int,
    parameters: Sequence[float] = (),
    turn: ArrayLike | None = None,
) -> Array:
    """One solid, (`SOLID`,).

    Args:
        kind: a constant of `kinds`.
        centre: where the middle of the solid is.
        half: half its extent along its own three axes (for a capsule, all three are its radius).
        colour: palette row.
        parameters: those of its kind, missing ones 0.
        turn: rotation (3, 3) from its own axes to the scene's.
    """
    axes = np.eye(3) if turn is None else np.asarray(turn, dtype=float)
    given = np.zeros(3)
    given[: len(parameters)] = parameters
    to_own = axes.T / np.asarray(half, dtype=float)[:, None]
    return np.array([kind, *centre, *to_own.ravel(), *given, _radius(kind, half, given), colour])


def _radius(kind: int, half: Sequence[float], parameters: Array) -> float:
    """Radius of a sphere about the centre that holds the solid."""
    x, y, z = half
    if kind == SPHERE:
        return max(half)
    if kind == BOX:
        # A sheared box reaches beyond its foot: up to 1 - a + s at the top.
        reach = max(1.0, 1.0 - parameters[0] + abs(parameters[2]))
        return math.sqrt((x * reach) ** 2 + y**2 + z**2)
    if kind == CAPSULE:
        return max(half) * (1.0 + parameters[0])
    return math.sqrt(max(x, y) ** 2 + z**2)


def stack(models: Iterable[Iterable[Array]]) -> Array:
    """Models of different numbers of solids as one array; empty places have kind -1."""
    lists = [list(model) for model in models]
    table = np.full((len(lists), max(map(len, lists)), SOLID), -1.0)
    for row, solids in zip(table, lists, strict=True):
        row[: len(solids)] = solids
    return table


def place(solids: Array, turns: Array, shift: ArrayLike) -> Array:
    """Turn solids (n, k, `SOLID`) about the origin, each scene's by its own rotation (n, 3, 3), then move them.

    A rotation's columns are the new places of the three axes.
    """
    moved = solids.copy()
    moved[..., 1:4] = np.einsum("nij,nkj->nki", turns, solids[..., 1:4]) + np.asarray(shift, dtype=float)
    to_own = solids[..., 4:13].reshape(*solids.shape[:2], 3, 3)
    moved[..., 4:13] = np.einsum("nkij,nlj->nkil", to_own, turns).reshape(*solids.shape[:2], 9)
    return np.where(solids[..., :1] < 0, solids, moved)


def cameras(position: ArrayLike, target: ArrayLike, view: ArrayLike) -> Array:
    """Cameras (n, 13) that look from positions (n, 3) at targets (n, 3), level.

    Args:
        position: where they are.
        target: what is in the middle of the image.
        view: angle (n,) that the image spans, in degrees.
    """
    eye, aim = np.broadcast_arrays(np.atleast_2d(position), np.atleast_2d(target))
    forward = unit(aim - eye)
    right = unit(np.cross(forward, (0.0, 0.0, 1.0)))
    up = np.cross(right, forward)
    focal = 1.0 / np.tan(np.radians(np.broadcast_to(view, len(eye))) / 2)
    return np.concatenate([eye, right, up, forward, focal[:, None]], axis=1)


def around(middle: ArrayLike, distance: float, elevation: Array, azimuth: Array) -> Array:
    """Points (n, 3) at a distance from ``middle``, by angles (n,) in degrees above the horizon and from the x axis."""
    up, turn = np.radians(elevation), np.radians(azimuth)
    ways = np.stack([np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)], axis=1)
    return np.asarray(middle, dtype=float) + distance * ways


def unit(vectors: Array) -> Array:
    """Vectors (..., 3) of length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def rows(n: int, values: Sequence[float] | Array) -> Array:
    """The same row n times."""
    return np.tile(np.asarray(values, dtype=float), (n, 1))
