from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from disent_datasets.lookalike import look_alikes
from disent_datasets.lookalike.kinds import BOX, CAPSULE
from disent_datasets.lookalike.scenes import Scenes, around, cameras, place, solid, stack
from disent_datasets.lookalike.toys import limb


def rotation(seed: int) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def test_a_placed_solid_is_the_solid_built_in_its_place() -> None:
    first, then, shift = rotation(0), rotation(1), np.array([1.0, -2.0, 0.5])
    centre, half = np.array([0.3, 0.2, -0.4]), (1.0, 0.5, 0.25)
    built = solid(BOX, tuple(then @ centre + shift), half, 3, [0.1, 0.2, 0.3], turn=then @ first)
    before = solid(BOX, tuple(centre), half, 3, [0.1, 0.2, 0.3], turn=first)
    placed = place(stack([[before], [built, built]]), np.stack([then, then]), shift)
    np.testing.assert_allclose(placed[0, 0], built, atol=1e-12)
    assert (placed[0, 1] == -1).all()


def test_a_limb_is_a_capsule_between_two_points() -> None:
    start, end, radius = np.array([0.1, 0.2, 0.3]), np.array([-0.5, 1.0, 0.9]), 0.1
    capsule = limb(tuple(start), tuple(end), radius)
    assert capsule[0] == CAPSULE
    to_own = capsule[4:13].reshape(3, 3)
    ends = [to_own @ (point - capsule[1:4]) for point in (start, end)]
    np.testing.assert_allclose(ends, [(0, 0, -capsule[13]), (0, 0, capsule[13])], atol=1e-12)
    np.testing.assert_allclose(to_own @ to_own.T, np.eye(3) / radius**2, atol=1e-9)


def test_a_camera_is_level_and_looks_at_its_target() -> None:
    eyes = around((1, 2, 3), 4.0, np.array([0.0, 30.0, 80.0]), np.array([0.0, 100.0, 250.0]))
    np.testing.assert_allclose(np.linalg.norm(eyes - (1, 2, 3), axis=1), 4)
    np.testing.assert_allclose(eyes[:, 2], 3 + 4 * np.sin(np.radians([0, 30, 80])))
    right, up, forward = np.moveaxis(cameras(eyes, (1, 2, 3), 90.0)[:, 3:12].reshape(3, 3, 3), 1, 0)
    np.testing.assert_allclose(forward, ((1, 2, 3) - eyes) / 4, atol=1e-12)
    np.testing.assert_allclose(right[:, 2], 0, atol=1e-12)
    assert (up[:, 2] > 0).all()
    np.testing.assert_allclose(np.cross(right, forward), up, atol=1e-12)


@pytest.mark.parametrize("name", sorted(look_alikes()))
def test_bounding_spheres_leave_nothing_out(name: str) -> None:
    look_alike = look_alikes()[name]

    def unbounded(factors: np.ndarray) -> Scenes:
        scenes = look_alike.scenes(factors)
        solids = scenes.solids.copy()
        solids[..., 16] = 1e3
        return replace(scenes, solids=solids)

    factors = look_alike.space.sample(40, np.random.default_rng(2))
    expected = replace(look_alike, scenes=unbounded).render(factors)
    np.testing.assert_array_equal(look_alike.render(factors), expected)
