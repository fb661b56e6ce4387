from __future__ import annotations

import numpy as np
import pytest
from disent_datasets.lookalike.kinds import BOX, CAPSULE, FRUSTUM, HEXAGON, SPHERE
from disent_datasets.lookalike.solids import enter

SOLIDS = {
    "sphere": (SPHERE, (0.0, 0.0, 0.0)),
    "cube": (BOX, (0.0, 0.0, 0.0)),
    "pyramid": (BOX, (1.0, 1.0, 0.0)),
    "wedge": (BOX, (0.6, 0.2, 0.5)),
    "cylinder": (FRUSTUM, (0.0, 0.0, 0.0)),
    "cone": (FRUSTUM, (1.0, 0.0, 0.0)),
    "blunt cone": (FRUSTUM, (0.4, 0.0, 0.0)),
    "capsule": (CAPSULE, (1.3, 0.0, 0.0)),
    "hexagonal prism": (HEXAGON, (0.0, 0.0, 0.0)),
}


def outside(kind: int, parameters: tuple[float, ...], p: np.ndarray) -> np.ndarray:
    """How far points (..., 3) break the worst of the solid's inequalities; negative inside."""
    x, y, z = np.moveaxis(p, -1, 0)
    a, b, s = parameters
    up = (z + 1) / 2
    lids = np.abs(z) - 1
    if kind == SPHERE:
        return np.linalg.norm(p, axis=-1) - 1
    if kind == BOX:
        return np.maximum.reduce([lids, np.abs(x - s * up) - (1 - a * up), np.abs(y) - (1 - b * up)])
    if kind == FRUSTUM:
        return np.maximum(lids, np.hypot(x, y) - (1 - a * up))
    if kind == CAPSULE:
        return np.sqrt(x**2 + y**2 + (z - np.clip(z, -a, a)) ** 2) - 1
    corners = np.radians(60 * np.arange(6) + 30)
    sides = [np.cos(c) * x + np.sin(c) * y - np.cos(np.pi / 6) for c in corners]
    return np.maximum.reduce([lids, *sides])


def rays(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rays from outside every solid that pass near the middle, some along an axis."""
    generator = np.random.default_rng(1)
    origin = generator.normal(size=(n, 3))
    origin *= (4 + 2 * generator.random((n, 1))) / np.linalg.norm(origin, axis=1, keepdims=True)
    direction = generator.uniform(-1.6, 1.6, (n, 3)) - origin
    straight = np.eye(3)[np.arange(n // 8) % 3] * np.where(np.arange(n // 8) % 2, 1, -1)[:, None]
    direction[: n // 8] = straight
    origin[: n // 8] = generator.uniform(-1.2, 1.2, (n // 8, 3)) * (straight == 0) - 4 * straight
    return origin, direction


def march(
    kind: int, parameters: tuple[float, ...], origin: np.ndarray, direction: np.ndarray, steps: int
) -> np.ndarray:
    """First of many closely spaced depths at which a ray is inside; inf if none is."""
    depths = np.linspace(0, 12 / np.linalg.norm(direction), steps)
    inside = outside(kind, parameters, origin + depths[:, None] * direction) < 0
    return float(depths[np.argmax(inside)]) if inside.any() else np.inf


@pytest.mark.parametrize(("kind", "parameters"), SOLIDS.values(), ids=SOLIDS.keys())
def test_rays_enter_where_a_march_along_them_does(kind: int, parameters: tuple[float, ...]) -> None:
    steps, missed = 6000, 0
    for origin, direction in zip(*rays(300), strict=True):
        t, *_ = enter(kind, *parameters, *origin, *direction)
        marched = march(kind, parameters, origin, direction, steps)
        step = 12 / np.linalg.norm(direction) / steps
        if np.isinf(marched):
            # The march steps over an inside shorter than its step.
            middle = origin + (t + step / 2) * direction if np.isfinite(t) else None
            assert middle is None or outside(kind, parameters, middle) > -0.01
            missed += 1
        else:
            assert marched - step - 1e-9 <= t <= marched + 1e-9
    assert 10 < missed < 250


@pytest.mark.parametrize(("kind", "parameters"), SOLIDS.values(), ids=SOLIDS.keys())
def test_normals_are_gradients_of_the_inequality_that_ends(kind: int, parameters: tuple[float, ...]) -> None:
    def gradient(p: np.ndarray) -> np.ndarray:
        shift = 1e-6 * np.eye(3)
        g = outside(kind, parameters, p + shift) - outside(kind, parameters, p - shift)
        return g / np.linalg.norm(g)

    checked = 0
    for origin, direction in zip(*rays(300), strict=True):
        t, *normal = enter(kind, *parameters, *origin, *direction)
        if np.isinf(t):
            continue
        hit = origin + t * direction
        around = [gradient(hit + 1e-4 * side) for side in (*np.eye(3), *-np.eye(3))]
        if min(g @ gradient(hit) for g in around) < 0.999:
            continue  # an edge, where two inequalities meet
        checked += 1
        assert np.array(normal) @ gradient(hit) / np.linalg.norm(normal) > 0.9999
        assert np.dot(normal, direction) < 0
    assert checked > 50


@pytest.mark.parametrize(("kind", "parameters"), SOLIDS.values(), ids=SOLIDS.keys())
def test_rays_that_start_inside_or_point_away_meet_nothing(kind: int, parameters: tuple[float, ...]) -> None:
    for origin, direction in zip(*rays(60), strict=True):
        assert np.isinf(enter(kind, *parameters, 0.0, 0.0, -0.9, *direction)[0])
        assert np.isinf(enter(kind, *parameters, *origin, *-direction)[0])
