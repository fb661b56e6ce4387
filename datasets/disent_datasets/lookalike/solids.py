"""Where a ray enters a convex solid: spheres, tapered boxes, cylinders, cones, capsules, hexagonal prisms.

Every solid is described in coordinates of its own (`kinds`), in which it is as simple as can be; an affine map
brings it to its place in the scene. A ray ``o + t d`` keeps its ``t`` under that map, so depths of different solids
compare.
"""

from __future__ import annotations

import math

from numba import njit

from disent_datasets.lookalike.kinds import BOX, CAPSULE, FRUSTUM, SPHERE

MISS = math.inf
NEAREST = 1e-6
"""A ray that starts on a surface does not meet that surface again."""

_HALF_ROOT_3 = math.sqrt(3) / 2


@njit(cache=True, nogil=True, error_model="numpy")
def enter(kind, a, b, s, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """First point of a ray on a solid, from outside.

    Args:
        kind: a constant of `kinds`.
        a: the solid's first parameter.
        b: its second.
        s: its third.
        ox: x of the ray's origin, in the solid's coordinates.
        oy: y of it.
        oz: z of it.
        dx: x of the ray's direction, of any length.
        dy: y of it.
        dz: z of it.

    Returns:
        (t, nx, ny, nz): t = inf if the ray misses the solid or starts inside it; the outer normal has any length.
    """
    if kind == SPHERE:
        return _ball(ox, oy, oz, dx, dy, dz)
    if kind == BOX:
        return _box(a, b, s, ox, oy, oz, dx, dy, dz)
    if kind == FRUSTUM:
        return _frustum(a, ox, oy, oz, dx, dy, dz)
    if kind == CAPSULE:
        return _capsule(a, ox, oy, oz, dx, dy, dz)
    return _hexagon(ox, oy, oz, dx, dy, dz)


@njit(cache=True, nogil=True, error_model="numpy")
def _entrance(span):  # type: ignore[no-untyped-def]
    near, far, nx, ny, nz = span
    if near <= NEAREST or near > far:
        return MISS, nx, ny, nz
    return near, nx, ny, nz


@njit(cache=True, nogil=True, error_model="numpy")
def _clip(span, nx, ny, nz, bound, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Part of a span of the ray that lies in the half space n . p <= bound."""
    near, far, mx, my, mz = span
    speed = nx * dx + ny * dy + nz * dz
    room = bound - (nx * ox + ny * oy + nz * oz)
    if speed == 0.0:
        return (near, far, mx, my, mz) if room >= 0.0 else (MISS, far, mx, my, mz)
    t = room / speed
    if speed > 0.0:
        return near, min(far, t), mx, my, mz
    if t > near:
        return t, far, nx, ny, nz
    return span


@njit(cache=True, nogil=True, error_model="numpy")
def _between_lids(oz, dz):  # type: ignore[no-untyped-def]
    """Span of the ray with |z| <= 1."""
    span = (-MISS, MISS, 0.0, 0.0, 0.0)
    span = _clip(span, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, oz, 0.0, 0.0, dz)
    return _clip(span, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0, oz, 0.0, 0.0, dz)


@njit(cache=True, nogil=True, error_model="numpy")
def _box(a, b, s, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    right, left, side = (a - s) / 2, (a + s) / 2, b / 2
    span = _between_lids(oz, dz)
    span = _clip(span, 1.0, 0.0, right, 1.0 - right, ox, oy, oz, dx, dy, dz)
    span = _clip(span, -1.0, 0.0, left, 1.0 - left, ox, oy, oz, dx, dy, dz)
    span = _clip(span, 0.0, 1.0, side, 1.0 - side, ox, oy, oz, dx, dy, dz)
    span = _clip(span, 0.0, -1.0, side, 1.0 - side, ox, oy, oz, dx, dy, dz)
    return _entrance(span)


@njit(cache=True, nogil=True, error_model="numpy")
def _hexagon(ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    span = _between_lids(oz, dz)
    for k in range(3):
        nx, ny = (_HALF_ROOT_3, 0.5) if k == 0 else ((0.0, 1.0) if k == 1 else (-_HALF_ROOT_3, 0.5))
        span = _clip(span, nx, ny, 0.0, _HALF_ROOT_3, ox, oy, oz, dx, dy, dz)
        span = _clip(span, -nx, -ny, 0.0, _HALF_ROOT_3, ox, oy, oz, dx, dy, dz)
    return _entrance(span)


@njit(cache=True, nogil=True, error_model="numpy")
def _roots(p, q, r):  # type: ignore[no-untyped-def]
    """Roots t0 <= t1 of p t^2 + 2 q t + r, in the order for p > 0; (inf, -inf) if there are none."""
    discriminant = q * q - p * r
    if discriminant <= 0.0 or p == 0.0:
        return MISS, -MISS
    root = math.sqrt(discriminant)
    return (-q - root) / p, (-q + root) / p


@njit(cache=True, nogil=True, error_model="numpy")
def _ball(ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    q = ox * dx + oy * dy + oz * dz
    near, far = _roots(dx * dx + dy * dy + dz * dz, q, ox * ox + oy * oy + oz * oz - 1.0)
    return _entrance((near, far, ox + near * dx, oy + near * dy, oz + near * dz))


@njit(cache=True, nogil=True, error_model="numpy")
def _frustum(a, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    near, far, nx, ny, nz = _between_lids(oz, dz)
    radius, slope = 1.0 - a / 2 * (oz + 1.0), -a / 2 * dz
    p = dx * dx + dy * dy - slope * slope
    q, r = ox * dx + oy * dy - radius * slope, ox * ox + oy * oy - radius * radius
    t0, t1 = _roots(p, q, r)
    if p == 0.0:
        # Parallel to the side: 2 q t + r <= 0.
        t0 = -r / (2.0 * q) if q < 0.0 else (-MISS if q > 0.0 or r < 0.0 else MISS)
        t1 = -r / (2.0 * q) if q > 0.0 else MISS
    elif p < 0.0:
        # Steeper than the side: inside before the first or after the second root, whichever nappe is the solid's.
        if t0 == MISS:
            t0, t1 = -MISS, MISS
        elif near <= t1:
            t0 = -MISS
        else:
            t1 = MISS
    if t0 > near:
        near = t0
        x, y = ox + t0 * dx, oy + t0 * dy
        nx, ny, nz = x, y, a / 2 * math.sqrt(x * x + y * y)
    return _entrance((near, min(far, t1), nx, ny, nz))


@njit(cache=True, nogil=True, error_model="numpy")
def _capsule(a, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """The first of the entrances into the side and the two balls, if none of them lies behind the start."""
    p, q, r = dx * dx + dy * dy, ox * dx + oy * dy, ox * ox + oy * oy - 1.0
    near, height = MISS, 0.0
    t, _ = _roots(p, q, r)
    if t != MISS and abs(oz + t * dz) <= a:
        near, height = t, oz + t * dz
    for end in (-a, a):
        z = oz - end
        t, _ = _roots(p + dz * dz, q + z * dz, r + z * z)
        if t < near:
            near, height = t, end
    return _entrance((near, MISS, ox + near * dx, oy + near * dy, oz + near * dz - height))
