from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets.lookalike import look_alikes, render
from disent_datasets.lookalike.scenes import Scenes
from disent_datasets.lookalike.sheet import contact_sheet
from PIL import Image

DOCS = Path(__file__).parents[3] / "docs" / "images" / "lookalike"

ORIGINALS = {
    "shapes3d_lookalike": {
        "floor hue": 10,
        "wall hue": 10,
        "object hue": 10,
        "scale": 8,
        "shape": 4,
        "orientation": 15,
    },
    "mpi3d_lookalike": {
        "object color": 6,
        "object shape": 6,
        "object size": 2,
        "camera height": 3,
        "background color": 3,
        "horizontal axis": 40,
        "vertical axis": 40,
    },
    "smallnorb_lookalike": {"category": 5, "instance": 10, "elevation": 9, "azimuth": 18, "lighting": 6},
    "cars3d_lookalike": {"elevation": 4, "azimuth": 24, "object type": 183},
}

FINGERPRINTS = {
    "shapes3d_lookalike": "e715c5490df5c2d5",
    "mpi3d_lookalike": "10f1c65254ea4791",
    "smallnorb_lookalike": "b09277fe9048520b",
    "cars3d_lookalike": "fc4327a99fc78543",
}
"""What the first version draws, on any machine; a change that is meant raises `LookAlike.version`."""


@pytest.fixture(params=sorted(ORIGINALS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def sample(name: str, n: int, seed: int = 0) -> np.ndarray:
    return dd.info(name).space.sample(n, np.random.default_rng(seed))


def test_every_look_alike_is_tested_and_says_what_it_is() -> None:
    assert set(look_alikes()) == set(ORIGINALS)
    for name in look_alikes():
        info = dd.info(name)
        assert name.endswith("_lookalike")
        assert info.title.endswith("look-alike")
        assert "not the data set" in info.citation
        assert info.offline


def test_factors_are_those_of_the_original(name: str) -> None:
    space = dd.info(name).space
    assert dict(zip(space.names, space.sizes, strict=True)) == ORIGINALS[name]
    assert list(space.names) == list(ORIGINALS[name])


def test_images_are_those_of_the_published_version(name: str) -> None:
    assert look_alikes()[name].fingerprint.startswith(FINGERPRINTS[name])


def test_an_image_depends_on_its_factors_alone(name: str) -> None:
    factors = sample(name, 12)
    images = render(name, factors)
    assert images.shape == (12, *dd.info(name).shape)
    assert images.dtype == np.uint8
    for row, image in zip(factors, images, strict=True):
        np.testing.assert_array_equal(render(name, row[None])[0], image)
    np.testing.assert_array_equal(render(name, factors[::-1]), images[::-1])


@pytest.mark.parametrize("size", [128, 256])
def test_a_larger_image_shows_the_same_scene(name: str, size: int) -> None:
    factors = sample(name, 6)
    ratio = size // 64
    large = render(name, factors, size).astype(float)
    assert large.shape[1:3] == (size, size)
    small = large.reshape(6, 64, ratio, 64, ratio, -1).mean(axis=(2, 4))
    assert np.abs(small - render(name, factors)).mean() < 3


def test_random_images_all_differ(name: str) -> None:
    factors = np.unique(sample(name, 400), axis=0)
    assert len(np.unique(render(name, factors).reshape(len(factors), -1), axis=0)) == len(factors)


def test_every_change_of_a_factor_is_seen(name: str) -> None:
    space = dd.info(name).space
    generator = np.random.default_rng(1)
    before = space.sample(60, generator)
    images = render(name, before).astype(int)
    for column, (factor, count) in enumerate(zip(space.names, space.sizes, strict=True)):
        after = before.copy()
        after[:, column] = (after[:, column] + generator.integers(1, count, len(after))) % count
        assert np.abs(render(name, after) - images).max(axis=(1, 2, 3)).min() >= 20, factor


def test_neighbouring_values_differ_around_the_example(name: str) -> None:
    space, example = dd.info(name).space, look_alikes()[name].example
    for column, count in enumerate(space.sizes):
        factors = np.tile(example, (count, 1))
        factors[:, column] = np.arange(count)
        for one, other in itertools.pairwise(render(name, factors).astype(int)):
            assert np.abs(one - other).max() >= 10, space.names[column]


def test_nothing_but_scenery_touches_the_border(name: str) -> None:
    look_alike = look_alikes()[name]

    def silhouettes(factors: np.ndarray) -> Scenes:
        scenes = look_alike.scenes(factors)
        black_but_white_solids = np.ones_like(scenes.palettes)
        black_but_white_solids[:, :3] = 0
        seen_anyway = np.tile([0.0, 0, 9, 0, 1, 0, 0, 0], (len(factors), 1))
        return replace(scenes, palettes=black_but_white_solids, lamps=seen_anyway)

    images = replace(look_alike, scenes=silhouettes).render(sample(name, 500, seed=3))
    assert images.max() == 255
    for border in (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]):
        assert border.max() == 0


def test_errors_name_the_argument() -> None:
    with pytest.raises(ValueError, match=r"name: no look-alike is called 'shapes3d'; known: .*shapes3d_lookalike"):
        render("shapes3d", [[0] * 6])
    with pytest.raises(ValueError, match=r"factors: floor hue must be in 0\.\.9, got 10"):
        render("shapes3d_lookalike", [[10, 0, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match="size: need at least 1 pixel"):
        render("shapes3d_lookalike", [[0] * 6], 0)
    assert render("shapes3d_lookalike", np.empty((0, 6), dtype=int)).shape == (0, 64, 64, 3)


def test_the_sheet_in_the_documentation_shows_what_is_rendered(name: str) -> None:
    sheet = np.asarray(contact_sheet(look_alikes()[name]))
    assert sheet.shape[0] == 66 * len(ORIGINALS[name])
    # The labels on the left depend on Pillow's font.
    with Image.open(DOCS / f"{name}.png") as committed:
        np.testing.assert_array_equal(np.asarray(committed)[:, 110:], sheet[:, 110:])
    assert (DOCS / f"{name}.png").stat().st_size < 300_000
