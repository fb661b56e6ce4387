from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from disent_datasets import dsprites

DATA = Path(__file__).parent / "data"

# All images in which a corner rounded to 1/256 pixel folds the heart's fan of triangles back over itself, so
# that the union of the triangles has a pixel more than the outline's even-odd fill.
FOLDED = [[2, 1, 8, 27, 27], [2, 1, 31, 4, 27], [2, 3, 16, 17, 8], [2, 3, 21, 18, 24], [2, 3, 23, 14, 8]]

# Images in which a pixel centre lies exactly on a level edge or on a corner.
TIED = [[0, 1, 0, 0, 8], [0, 1, 39, 17, 8], [1, 0, 8, 6, 22], [1, 3, 18, 10, 19], [2, 0, 5, 4, 18], [2, 0, 6, 22, 5]]


def corners_by_complex_numbers(shape: int, scale: int, orientation: int, x: int, y: int) -> np.ndarray:
    """Rounded corners (n, 2) in 1/256 pixel, derived with y upwards and turned by a complex factor."""
    if shape == 0:
        outline = 9.6 * np.array([1 + 1j, 1 - 1j, -1 - 1j, -1 + 1j])
    elif shape == 1:
        angle = np.arange(100) * np.pi / 50
        outline = 9.6 * (1.33 * np.cos(angle) - 1j * np.sin(angle) / 1.33)
    else:
        f = np.arange(150) * np.pi / 75
        waves = [np.cos(n * f) for n in range(5)]
        height = 0.15 + (13 * waves[1] - 5 * waves[2] - 2 * waves[3] - waves[4]) / 14.5
        outline = 9.6 * (np.sin(f) ** 3 + 1j * height)
    placed = (0.5 + 0.1 * scale) * outline * np.exp(2j * np.pi * orientation / 39)
    columns = 16 + 32 * x / 31 + placed.real
    rows = 16 + 32 * y / 31 - placed.imag
    return np.floor(np.stack([columns, rows], axis=1) * 256 + 0.5).astype(np.int64)


def side(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Side of the line a-b on which points lie that are moved right by d and up by d^2, for vanishing d."""
    dx, dy = b - a
    exact = dx * (y - a[1]) - dy * (x - a[0])
    return np.where(exact != 0, np.sign(exact), -np.sign(dy) if dy else -np.sign(dx))


def brute_force(factors: list[int]) -> np.ndarray:
    """Every pixel centre against every triangle of the fan, three half-planes each."""
    corners = corners_by_complex_numbers(*factors)
    x, y = np.meshgrid(np.arange(64) * 256 + 128, np.arange(64) * 256 + 128)
    lit = np.zeros((64, 64), dtype=bool)
    for b, c in itertools.pairwise(corners[1:]):
        a = corners[0]
        sides = np.stack([side(a, b, x, y), side(b, c, x, y), side(c, a, x, y)])
        lit |= np.abs(sides.sum(axis=0)) == 3
    return lit.astype(np.uint8)


def test_equals_every_frame_of_the_official_animation() -> None:
    with np.load(DATA / "dsprites_frames.npz") as frames:
        images, latents = frames["images"], frames["latents"]
    assert images.shape == (160, 64, 64)
    np.testing.assert_array_equal(dsprites.draw(latents[:, 1:]), images)


def test_equals_brute_force() -> None:
    factors = dsprites.SPACE.sample(150, np.random.default_rng(0)).tolist() + FOLDED + TIED
    drawn = dsprites.draw(factors)
    for chosen, image in zip(factors, drawn, strict=True):
        np.testing.assert_array_equal(image, brute_force(chosen), err_msg=str(chosen))


def test_brute_force_breaks_ties_right_and_up() -> None:
    """The oracle itself: a square with corners on pixel centres keeps its left and bottom edges."""
    a, b, c = np.array([128, 128]), np.array([128, 1152]), np.array([1152, 1152])
    x, y = np.meshgrid(np.arange(6) * 256 + 128, np.arange(6) * 256 + 128)
    inside = np.abs(side(a, b, x, y) + side(b, c, x, y) + side(c, a, x, y)) == 3
    np.testing.assert_array_equal(inside[:, 0], [False, True, True, True, True, False])
    np.testing.assert_array_equal(inside[4], [True, True, True, True, False, False])


def test_position_moves_right_and_down_and_orientation_counter_clockwise() -> None:
    images = dsprites.draw([[0, 5, 0, 0, 0], [0, 5, 0, 31, 0], [0, 5, 0, 0, 31], [1, 5, 4, 0, 0]])
    rows, columns = zip(*(np.nonzero(image) for image in images), strict=True)
    assert columns[1].mean() - columns[0].mean() == pytest.approx(32)
    assert rows[2].mean() - rows[0].mean() == pytest.approx(32)
    # A long ellipse turned by 37 degrees points up on its right side.
    assert np.cov(rows[3], columns[3])[0, 1] < 0


def test_last_orientation_is_a_full_turn() -> None:
    factors = dsprites.SPACE.sample(200, np.random.default_rng(1))
    factors[:, 2] = 0
    turned = factors.copy()
    turned[:, 2] = 39
    np.testing.assert_array_equal(dsprites.draw(factors), dsprites.draw(turned))


def test_empty_batch() -> None:
    assert dsprites.draw(np.empty((0, 5), dtype=int)).shape == (0, 64, 64)


def test_refuses_factors_outside() -> None:
    with pytest.raises(ValueError, match=r"factors: posX must be in 0\.\.31, got 32"):
        dsprites.draw([[0, 0, 0, 32, 0]])


@pytest.mark.slow
def test_whole_set() -> None:
    digest, lit, support = hashlib.sha256(), np.zeros(3, dtype=np.int64), np.zeros((64, 64), dtype=np.uint8)
    for start, block in enumerate(dsprites.draw_all(dsprites.SPACE.factors(np.arange(737280)), block=8192)):
        digest.update(block.data)
        lit[start * 8192 // 245760] += block.sum()
        support |= block[..., 0].max(axis=0)
    assert digest.hexdigest() == dsprites.FINGERPRINT
    assert lit.tolist() == [53_612_886, 42_070_950, 32_645_033]
    used = np.flatnonzero(support.any(axis=0))
    assert (used[0], used[-1]) == (2, 61)
