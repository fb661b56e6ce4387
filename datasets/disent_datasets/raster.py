"""Exact scanline fill of polygons into bit rows: one 64-bit word is one row of a 64-pixel-wide image.

Corners are integers, in 1/256 pixel; the centre of pixel (row i, column j) is (256 j + 128, 256 i + 128).
A centre exactly on an edge counts as moved right and, infinitely less, up.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@njit(cache=True, nogil=True, inline="always")
def _flip_right_of(rows, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Flip every pixel to the right of an edge, in each pixel row that the edge crosses."""
    if y0 > y1:
        x0, y0, x1, y1 = x1, y1, x0, y0
    dx, dy = x1 - x0, y1 - y0
    # "Moved up" makes a row crossed where y0 < centre <= y1; a level edge crosses none.
    for i in range((y0 + 128) >> 8, ((y1 - 128) >> 8) + 1):
        # The crossing rounded up to 1/256: a centre on it counts as moved right, so is flipped.
        crossing = x0 - (-(256 * i + 128 - y0) * dx) // dy
        rows[i] ^= _ALL << np.uint64((crossing + 127) >> 8)


@njit(cache=True, nogil=True)
def _add_triangle(rows, scratch, xs, ys, a, b, c):  # type: ignore[no-untyped-def]
    scratch[:] = 0
    _flip_right_of(scratch, xs[a], ys[a], xs[b], ys[b])
    _flip_right_of(scratch, xs[b], ys[b], xs[c], ys[c])
    _flip_right_of(scratch, xs[c], ys[c], xs[a], ys[a])
    rows |= scratch


@njit(cache=True, nogil=True)
def draw_fans(rows, outline, at_x, at_y, offset_x, offset_y, corners, centre):  # type: ignore[no-untyped-def]
    """Draw one polygon for each image: the union of the triangles (0, k, k + 1) of its corners.

    Where no triangle folds back, the union is the even-odd fill of the outline, which is far quicker to draw;
    the triangles that do (snapping the corners makes a few) are then added one by one.

    Args:
        rows: uint64 (n, 64), overwritten: bit ``j`` of ``rows[m, i]`` is pixel (row i, column j) of image m.
        outline: int64 (n,), which outline each image shows.
        at_x: int64 (n,), which of the positions ``centre`` it has horizontally.
        at_y: int64 (n,), the same vertically.
        offset_x: float64 (outlines, most corners), corners relative to the reference point, in pixels,
            clockwise as seen on the image.
        offset_y: the same, downwards.
        corners: int64 (outlines,), how many of the columns each outline uses.
        centre: float64 (positions,), in pixels; the shapes must stay inside the 64 columns.
    """
    xs = np.empty(offset_x.shape[1], dtype=np.int64)
    ys = np.empty(offset_x.shape[1], dtype=np.int64)
    scratch = np.empty(rows.shape[1], dtype=np.uint64)
    for m in range(rows.shape[0]):
        rows[m] = 0
        shape, cx, cy = outline[m], centre[at_x[m]], centre[at_y[m]]
        count = corners[shape]
        for k in range(count):
            xs[k] = int(np.floor(256.0 * (cx + offset_x[shape, k]) + 0.5))
            ys[k] = int(np.floor(256.0 * (cy + offset_y[shape, k]) + 0.5))
        for k in range(count):
            after = k + 1 if k + 1 < count else 0
            _flip_right_of(rows[m], xs[k], ys[k], xs[after], ys[after])
        for k in range(1, count - 1):
            turn = (xs[k] - xs[0]) * (ys[k + 1] - ys[0]) - (ys[k] - ys[0]) * (xs[k + 1] - xs[0])
            if turn < 0:
                _add_triangle(rows[m], scratch, xs, ys, 0, k, k + 1)
