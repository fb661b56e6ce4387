"""A small ray caster: convex solids before a sky, on a floor, in a room or over a ring, under one lamp.

Only additions, multiplications, divisions and square roots are used, so that every machine draws the same pixels.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# Numba's cache of this file does not notice changes of that one: after those, touch this file.
from disent_datasets.lookalike.solids import MISS, enter
from disent_datasets.lookalike.stages import FLOOR, RING, ROOM, SKY, VOID, WALL

CONTRAST = 0.06
"""Pixels that differ more than this from a neighbour, in some channel, are drawn again with more rays."""
FINE = 2
"""Rays for such a pixel, in each direction."""
LIFT = 1e-4
"""Rays towards the lamp start this far above the surface."""

_LAMP_POINTS = np.array(
    [(0.0, -0.45), (0.9, 0.2), (-0.3, 0.85), (-0.8, -0.4), (0.35, -0.8), (0.45, 0.4), (-0.5, 0.2), (0.0, 0.1)]
)


@njit(cache=True, nogil=True, error_model="numpy")
def render_block(images, solids, which, palettes, cameras, lamps, stages):  # type: ignore[no-untyped-def]
    """Render images; the arrays other than the images are the fields of `Scenes`.

    One ray is cast through the centre of each pixel, then `FINE` x `FINE` through those that differ from a neighbour.

    Args:
        images: uint8 (n, size, size, 3), overwritten.
        solids: float64 (models, most solids, 18); kind -1 ends a model.
        which: int64 (n,), the model that each image shows.
        palettes: float64 (n, colours, 3).
        cameras: float64 (n, 13).
        lamps: float64 (n, 8).
        stages: float64 (n, 7).
    """
    size = images.shape[1]
    colours, wanted = np.empty((size, size, 3)), np.empty((size, size), dtype=np.bool_)
    for m in range(images.shape[0]):
        model, palette, camera, lamp, stage = solids[which[m]], palettes[m], cameras[m], lamps[m], stages[m]
        wanted[:] = True
        for rays in (1, FINE):
            step, pixel = 1.0 / rays, 2.0 / size
            if rays > 1:
                _mark_edges(colours, wanted)
            for i in range(size):
                for j in range(size):
                    if wanted[i, j]:
                        r, g, b = 0.0, 0.0, 0.0
                        for u in range(rays):
                            for v in range(rays):
                                across, down = (j + (v + 0.5) * step) * pixel, (i + (u + 0.5) * step) * pixel
                                dr, dg, db = _look(across - 1.0, 1.0 - down, model, palette, camera, lamp, stage)
                                r, g, b = r + dr, g + dg, b + db
                        share = step * step
                        colours[i, j, 0], colours[i, j, 1], colours[i, j, 2] = r * share, g * share, b * share
        for i in range(size):
            for j in range(size):
                for c in range(3):
                    images[m, i, j, c] = np.uint8(255.0 * colours[i, j, c] + 0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def _mark_edges(colours, marked):  # type: ignore[no-untyped-def]
    """Mark the pixels that differ from one of their four neighbours."""
    size = len(colours)
    marked[:] = False
    for i in range(size):
        for j in range(size):
            for below, right in ((1, 0), (0, 1)):
                k, l = min(i + below, size - 1), min(j + right, size - 1)
                for c in range(3):
                    if abs(colours[i, j, c] - colours[k, l, c]) > CONTRAST:
                        marked[i, j] = marked[k, l] = True


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _look(right, up, model, palette, camera, lamp, stage):  # type: ignore[no-untyped-def]
    """Colour, 0 to 1 each, of what the camera sees at a point of the image, whose edges are at -1 and 1."""
    dx = right * camera[3] + up * camera[6] + camera[12] * camera[9]
    dy = right * camera[4] + up * camera[7] + camera[12] * camera[10]
    dz = right * camera[5] + up * camera[8] + camera[12] * camera[11]
    scale = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx * scale, dy * scale, dz * scale
    ox, oy, oz = camera[0], camera[1], camera[2]
    t, nx, ny, nz, colour = _first_solid(model, ox, oy, oz, dx, dy, dz)
    far, fx, fy, fz, scenery = _scenery(stage, ox, oy, oz, dx, dy, dz)
    if far < t:
        t, nx, ny, nz, colour = far, fx, fy, fz, scenery
    if t == MISS:
        return palette[SKY, 0], palette[SKY, 1], palette[SKY, 2]
    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
    facing = -(nx * dx + ny * dy + nz * dz)
    if colour > WALL:
        shade, gloss = _shade_solid(model, lamp, x, y, z, nx, ny, nz, facing)
    else:
        shade, gloss = _shade_scenery(model, lamp, stage, colour, x, y, z, nx, ny, nz, facing), 0.0
    r = min(1.0, palette[colour, 0] * shade + gloss)
    g = min(1.0, palette[colour, 1] * shade + gloss)
    b = min(1.0, palette[colour, 2] * shade + gloss)
    return r, g, b


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _passes_by(model, k, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Whether a ray with a direction of length 1 misses a solid's bounding sphere."""
    cx, cy, cz = model[k, 1] - ox, model[k, 2] - oy, model[k, 3] - oz
    along = cx * dx + cy * dy + cz * dz
    apart = cx * cx + cy * cy + cz * cz - along * along
    return apart > model[k, 16] * model[k, 16]


@njit(cache=True, nogil=True, error_model="numpy")
def _enter_placed(model, k, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """`enter` for a ray in scene coordinates; the normal is still in the solid's own."""
    cx, cy, cz = ox - model[k, 1], oy - model[k, 2], oz - model[k, 3]
    return enter(
        int(model[k, 0]),
        model[k, 13],
        model[k, 14],
        model[k, 15],
        model[k, 4] * cx + model[k, 5] * cy + model[k, 6] * cz,
        model[k, 7] * cx + model[k, 8] * cy + model[k, 9] * cz,
        model[k, 10] * cx + model[k, 11] * cy + model[k, 12] * cz,
        model[k, 4] * dx + model[k, 5] * dy + model[k, 6] * dz,
        model[k, 7] * dx + model[k, 8] * dy + model[k, 9] * dz,
        model[k, 10] * dx + model[k, 11] * dy + model[k, 12] * dz,
    )


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _first_solid(model, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Depth, unit normal and colour of the first solid on a ray; depth inf if there is none."""
    best, nearest, lx, ly, lz = -1, MISS, 0.0, 0.0, 0.0
    for k in range(model.shape[0]):
        if model[k, 0] < 0:
            break
        if _passes_by(model, k, ox, oy, oz, dx, dy, dz):
            continue
        t, mx, my, mz = _enter_placed(model, k, ox, oy, oz, dx, dy, dz)
        if t < nearest:
            best, nearest, lx, ly, lz = k, t, mx, my, mz
    if best < 0:
        return MISS, 0.0, 0.0, 0.0, SKY
    # Normals go to the scene by the transpose of the map to the solid's coordinates.
    nx = model[best, 4] * lx + model[best, 7] * ly + model[best, 10] * lz
    ny = model[best, 5] * lx + model[best, 8] * ly + model[best, 11] * lz
    nz = model[best, 6] * lx + model[best, 9] * ly + model[best, 12] * lz
    scale = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nearest, nx * scale, ny * scale, nz * scale, int(model[best, 17])


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _scenery(stage, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Depth, unit normal and palette row of the floor, wall or ring on a ray; depth inf if there is none."""
    kind = int(stage[0])
    nothing = (MISS, 0.0, 0.0, 0.0, SKY)
    if kind == VOID:
        return nothing
    t = -oz / dz if dz < 0.0 else MISS
    if kind == ROOM:
        wx = ((stage[1] if dx > 0.0 else -stage[1]) - ox) / dx if dx != 0.0 else MISS
        wy = ((stage[1] if dy > 0.0 else -stage[1]) - oy) / dy if dy != 0.0 else MISS
        wall = min(wx, wy)
        if wall < t:
            if oz + wall * dz > stage[2]:
                return nothing
            if wx < wy:
                return wall, -1.0 if dx > 0.0 else 1.0, 0.0, 0.0, WALL
            return wall, 0.0, -1.0 if dy > 0.0 else 1.0, 0.0, WALL
    if t == MISS:
        return nothing
    if kind == RING:
        x, y = ox + t * dx, oy + t * dy
        from_centre = x * x + y * y
        if from_centre < stage[1] * stage[1] or from_centre > stage[2] * stage[2]:
            return nothing
        return t, 0.0, 0.0, 1.0, WALL
    return t, 0.0, 0.0, 1.0, FLOOR


@njit(cache=True, nogil=True, error_model="numpy")
def _lit(model, lamp, x, y, z):  # type: ignore[no-untyped-def]
    """Share of the lamp's points that a point sees."""
    points = 1 if lamp[3] == 0.0 else len(_LAMP_POINTS)
    seen = 0
    for p in range(points):
        lx = lamp[0] + lamp[3] * _LAMP_POINTS[p, 0] - x
        ly = lamp[1] + lamp[3] * _LAMP_POINTS[p, 1] - y
        lz = lamp[2] - z
        scale = 1.0 / math.sqrt(lx * lx + ly * ly + lz * lz)
        seen += not _blocked(model, x, y, z, lx * scale, ly * scale, lz * scale)
    return seen / points


@njit(cache=True, nogil=True, error_model="numpy")
def _blocked(model, x, y, z, dx, dy, dz):  # type: ignore[no-untyped-def]
    for k in range(model.shape[0]):
        if model[k, 0] < 0:
            return False
        if not _passes_by(model, k, x, y, z, dx, dy, dz) and _enter_placed(model, k, x, y, z, dx, dy, dz)[0] < MISS:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _shade_solid(model, lamp, x, y, z, nx, ny, nz, facing):  # type: ignore[no-untyped-def]
    """Brightness of a solid's colour, and white to be added."""
    lx, ly, lz = lamp[0] - x, lamp[1] - y, lamp[2] - z
    slant = (nx * lx + ny * ly + nz * lz) / math.sqrt(lx * lx + ly * ly + lz * lz)
    shade, gloss = lamp[4] + lamp[5] * facing, 0.0
    if slant > 0.0:
        light = math.sqrt(slant) * _lit(model, lamp, x + LIFT * nx, y + LIFT * ny, z + LIFT * nz)
        shade, gloss = shade + lamp[6] * light, lamp[7] * light
    return shade, gloss


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _shade_scenery(model, lamp, stage, colour, x, y, z, nx, ny, nz, facing):  # type: ignore[no-untyped-def]
    """Brightness of the floor, of a wall, or of a ring (which is not shaded)."""
    if colour == FLOOR:
        shade = stage[3]
        if stage[4] > 0.0:
            away = (x - lamp[0]) * (x - lamp[0]) + (y - lamp[1]) * (y - lamp[1])
            shade += stage[4] * _lit(model, lamp, x, y, LIFT) / (1.0 + stage[5] * away)
        return min(1.0, shade) * (1.0 - stage[6] * _blotch(x, y))
    if int(stage[0]) == ROOM:
        along = x if nx == 0.0 else y
        return min(1.0, lamp[4] + (1.0 - lamp[4]) * facing) * (1.0 - stage[6] * _blotch(along, z))
    return 1.0


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _blotch(u, v):  # type: ignore[no-untyped-def]
    """A slanted spot in each cell of a grid: 1 in its middle, 0 outside."""
    u, v = u / 1.85, (v - 0.95) / 1.85 + 0.5
    u, v = u - math.floor(u) - 0.5, v - math.floor(v) - 0.5
    across, along = u + 0.5 * v, v - 0.5 * u
    apart = 60.0 * across * across + 14.0 * along * along
    return (1.0 - apart) * (1.0 - apart) if apart < 1.0 else 0.0
