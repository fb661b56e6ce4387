from __future__ import annotations

import math

import numpy as np
import pytest
from disent_datasets.lookalike.kinds import BOX, CAPSULE, FRUSTUM, SPHERE
from disent_datasets.lookalike.raycaster import render_block
from disent_datasets.lookalike.scenes import Array, Scenes, cameras, rows, solid, stack
from disent_datasets.lookalike.stages import GROUND, RING, VOID

SIZE = 128
BLACK, GREY, WHITE = (0.0,) * 3, (0.5,) * 3, (1.0,) * 3
FULL_LIGHT = (0.0, 0.0, 50.0, 0.0, 1.0, 0.0, 0.0, 0.0)


def draw(
    solids: list[Array],
    camera: Array,
    lamp: tuple[float, ...] = FULL_LIGHT,
    stage: tuple[float, ...] = (VOID, 0, 0, 0, 0, 0, 0),
    size: int = SIZE,
) -> np.ndarray:
    """A white solid, a grey floor and a grey ring before a black sky: one channel, 0 to 1."""
    palette = np.array([[BLACK, GREY, GREY, WHITE]])
    scenes = Scenes(stack([solids]), np.zeros(1, dtype=np.int64), palette, camera, rows(1, lamp), rows(1, stage))
    images = np.empty((1, size, size, 3), dtype=np.uint8)
    render_block(images, *scenes.arrays(0, 1))
    assert (images == images[..., :1]).all()
    return images[0, ..., 0] / 255


def project(point: tuple[float, float, float], eye: np.ndarray, target: np.ndarray, view: float) -> tuple[float, float]:
    """Row and column of a point, by angles: how far it is turned from the viewing direction, and towards where."""
    forward = (target - eye) / math.dist(target, eye)
    to = np.array(point) - eye
    depth = to @ forward
    aside = to - depth * forward
    east = np.array([forward[1], -forward[0], 0]) / math.hypot(forward[0], forward[1])
    right = aside @ east
    up = math.copysign(math.sqrt(max(0.0, aside @ aside - right**2)), aside[2])
    scale = SIZE / 2 / (depth * math.tan(math.radians(view / 2)))
    return SIZE / 2 - up * scale, SIZE / 2 + right * scale


@pytest.mark.parametrize("radius", [0.5, 1.0, 1.8])
def test_a_sphere_is_a_disc_of_its_apparent_radius(radius: float) -> None:
    distance, view = 5.0, 50.0
    image = draw([solid(SPHERE, (1, 2, 3), (radius,) * 3, 3)], cameras([(1, 2 - distance, 3)], (1, 2, 3), view))
    expected = math.tan(math.asin(radius / distance)) / math.tan(math.radians(view / 2)) * SIZE / 2
    assert math.sqrt(image.sum() / math.pi) == pytest.approx(expected, rel=0.004)
    rows_, columns = np.indices(image.shape) + 0.5
    apart = np.hypot(rows_ - SIZE / 2, columns - SIZE / 2)
    assert (image[apart < expected - 1] == 1).all()
    assert (image[apart > expected + 1] == 0).all()


def test_the_silhouettes_of_cylinder_cone_and_capsule_have_the_areas_of_their_profiles() -> None:
    # From far away, through a narrow angle, the projection is nearly parallel.
    distance, view, radius, height = 400.0, 1.0, 0.8, 1.2
    camera = cameras([(0, -distance, 0)], (0, 0, 0), view)
    pixel = 2 * distance * math.tan(math.radians(view / 2)) / SIZE
    profiles = {
        4 * radius * height: solid(FRUSTUM, (0, 0, 0), (radius, radius, height), 3),
        2 * radius * height: solid(FRUSTUM, (0, 0, 0), (radius, radius, height), 3, [1.0]),
        4 * radius**2 * 0.9 + math.pi * radius**2: solid(CAPSULE, (0, 0, 0), (radius,) * 3, 3, [0.9]),
        math.pi * radius * height: solid(SPHERE, (0, 0, 0), (radius, radius, height), 3),
    }
    for area, shape in profiles.items():
        assert draw([shape], camera).sum() * pixel**2 == pytest.approx(area, rel=0.02)


def test_a_turned_box_appears_where_its_corners_do() -> None:
    turn = np.array([[math.cos(0.5), -math.sin(0.5), 0], [math.sin(0.5), math.cos(0.5), 0], [0, 0, 1]])
    eye, target = np.array([3.0, -6.0, 4.0]), np.array([0.2, 0.1, 0.5])
    image = draw([solid(BOX, (0.3, 0, 0.6), (1, 0.6, 0.4), 3, turn=turn)], cameras([eye], target, 40.0))
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-0.6, 0.6) for z in (-0.4, 0.4)]) @ turn.T
    places = np.array([project((x + 0.3, y, z + 0.6), eye, target, 40.0) for x, y, z in corners])
    lit = np.argwhere(image > 0.5) + 0.5
    assert lit.min(axis=0) == pytest.approx(places.min(axis=0), abs=1.0)
    assert lit.max(axis=0) == pytest.approx(places.max(axis=0), abs=1.0)


def test_the_nearer_of_two_solids_hides_the_other() -> None:
    near, far = solid(SPHERE, (0, -2, 0), (0.5,) * 3, 3), solid(SPHERE, (0, 2, 0), (0.5,) * 3, 1)
    camera = cameras([(0, -9, 0)], (0, 0, 0), 20.0)
    assert draw([near, far], camera)[SIZE // 2, SIZE // 2] == 1
    assert draw([far, near], camera)[SIZE // 2, SIZE // 2] == 1


def test_the_shadow_of_a_sphere_is_the_cone_that_touches_it() -> None:
    eye, target, view = np.array([0.0, -6.0, 5.0]), np.array([0.0, 0.0, 0.0]), 60.0
    lamp, centre, radius = np.array([0.0, 0.0, 6.0]), np.array([0.0, 0.0, 2.0]), 0.8
    floor = (GROUND, 0, 0, 0.4, 0.6, 0, 0)
    image = draw(
        [solid(SPHERE, tuple(centre), (radius,) * 3, 3)], cameras([eye], target, view), (*lamp, 0, 1, 0, 0, 0), floor
    )
    edge = 6 * math.tan(math.asin(radius / 4))
    for angle in np.linspace(0, 2 * math.pi, 12, endpoint=False):
        for apart, expected in ((0.9, 0.2), (1.1, 0.5)):
            x, y = apart * edge * math.cos(angle), apart * edge * math.sin(angle)
            row, column = project((x, y, 0), eye, target, view)
            to = np.array([x, y, 0]) - eye
            past = centre - eye - to * ((centre - eye) @ to) / (to @ to)
            if np.linalg.norm(past) > 1.1 * radius:
                assert image[int(row), int(column)] == pytest.approx(expected, abs=0.01)


def test_a_lamp_with_an_extent_has_a_soft_shadow() -> None:
    camera = cameras([(0.0, -6.0, 5.0)], (0.0, 0.0, 0.0), 60.0)
    ball = solid(SPHERE, (0, 0, 2), (0.8,) * 3, 3)
    floor = (GROUND, 0, 0, 0.4, 0.6, 0, 0)
    hard, soft = (draw([ball], camera, (0, 0, 6, r, 1, 0, 0, 0), floor) for r in (0.0, 1.0))
    between = [((image > 0.25) & (image < 0.45)).sum() for image in (hard, soft)]
    assert between[1] > 3 * between[0]


def test_a_ring_has_the_area_between_its_circles() -> None:
    distance, view = 400.0, 1.0
    # Seen from 30 degrees above, a flat area halves.
    eye = (0.0, -distance * math.cos(math.radians(30)), distance * math.sin(math.radians(30)))
    image = draw(
        [solid(SPHERE, (99, 0, 0), (1,) * 3, 3)], cameras([eye], (0, 0, 0), view), stage=(RING, 1, 2, 0, 0, 0, 0)
    )
    pixel = 2 * distance * math.tan(math.radians(view / 2)) / SIZE
    assert image.sum() / 0.5 * pixel**2 == pytest.approx(math.pi * (2**2 - 1**2) / 2, rel=0.01)


def test_a_surface_is_the_brighter_the_straighter_it_faces_the_camera() -> None:
    camera = cameras([(0, -50, 0)], (0, 0, 0), 3.0)
    image = draw([solid(SPHERE, (0, 0, 0), (1,) * 3, 3)], camera, (0, 0, 50, 0, 0, 1, 0, 0))
    pixel = 2 * 50 * math.tan(math.radians(1.5)) / SIZE
    for column in range(SIZE // 2, SIZE // 2 + 40, 5):
        x, z = (column + 0.5 - SIZE / 2) * pixel, 0.5 * pixel
        assert image[SIZE // 2, column] == pytest.approx(math.sqrt(1 - x**2 - z**2), abs=0.02)


def test_no_lamp_shines_from_below() -> None:
    camera = cameras([(0, -20, 0)], (0, 0, 0), 8.0)
    image = draw([solid(SPHERE, (0, 0, 0), (1,) * 3, 3)], camera, (0, 0, 50, 0, 0.2, 0, 0.8, 0))
    assert image[SIZE // 2 + 10, SIZE // 2] == pytest.approx(0.2, abs=0.01)
    assert image[SIZE // 2 - 30, SIZE // 2] > 0.6
