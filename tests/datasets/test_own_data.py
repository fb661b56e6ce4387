"""Arrays and folders of a user's own as data sets."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets.datamodule import DisentDataModule
from disent_datasets.own_data import grid_from_arrays, grid_from_folder
from PIL import Image

SPACE = dd.FactorSpace(("shape", "hue", "size"), (2, 4, 5))
ORDER = np.random.default_rng(0).permutation(40)
FACTORS = SPACE.factors(ORDER)


def make_request(data_dir: Path, channels: int = 3, scale: int = 255, **changes: Any) -> dd.Request:
    info = dd.DatasetInfo("mine", "Mine", SPACE, (64, 64, channels), ("memory",), "CC0", "me", scale)
    info = replace(info, **changes)
    return dd.Request(info, "memory", data_dir)


def pictures(channels: int = 3) -> np.ndarray:
    """A bar or a square of each size, in a colour of its own."""
    images = np.zeros((40, 64, 64, channels), np.uint8)
    for image, (shape, hue, size) in zip(images, FACTORS, strict=True):
        height = 8 + 8 * size
        image[8 : 8 + height, 8 : 8 + (height if shape else 8)] = 60 + 40 * hue
        image[..., 0] += image[..., 0] // 4
    return images


def write(folder: Path, images: np.ndarray, rows: list[list[Any]] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image.squeeze()).save(folder / f"{number}.png")
    values = [["bar", "square"], [0.0, 0.25, 0.5, 0.75], range(5)]
    rows = rows or [
        [f"{number}.png", *(column[value] for column, value in zip(values, row, strict=True)), "ignored"]
        for number, row in enumerate(FACTORS)
    ]
    with (folder / "factors.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "shape", "hue", "size", "note"], *rows])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_folder_with_a_table(tmp_path: Path, channels: int) -> None:
    images = pictures(channels)
    write(tmp_path / "mine", images)
    grid = grid_from_folder(make_request(tmp_path, channels), tmp_path / "mine")
    np.testing.assert_array_equal(grid.images(ORDER), images)
    assert grid.space == SPACE
    assert grid.present is None
    assert grid.fingerprint == grid_from_arrays(make_request(tmp_path, channels), images, FACTORS).fingerprint


def test_arrays_in_order_are_used_as_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", pictures()[np.argsort(ORDER)])
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    grid = grid_from_arrays(make_request(tmp_path), images, SPACE.factors(np.arange(40)))
    assert np.shares_memory(grid.stored, images)


def test_an_incomplete_grid_is_allowed_and_said(tmp_path: Path) -> None:
    keep = ORDER != 7
    with pytest.warns(UserWarning, match=r"1 of 40 factor combinations have no image, such as shape=0, hue=1, size=2;"):
        grid = grid_from_arrays(make_request(tmp_path), pictures()[keep], FACTORS[keep])
    np.testing.assert_array_equal(grid.images(ORDER[keep]), pictures()[keep])
    with pytest.raises(dd.DataError, match="mine has no image of shape=0, hue=1, size=2; its grid is incomplete"):
        grid.images([3, 7])
    drawn = np.concatenate([dd.BatchStream(grid, 64, seed=0).step(t).first for t in range(50)])
    assert set(drawn.tolist()) == set(range(40)) - {7}
    with pytest.raises(ValueError, match="sampler: only uniform works on a grid in which images are missing"):
        dd.make_sampler("epochs", grid)
    black = pictures().copy()
    black[ORDER == 7] = 0
    assert grid.fingerprint != grid_from_arrays(make_request(tmp_path), black, FACTORS).fingerprint


def test_an_incomplete_grid_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = make_request(tmp_path)

    @dd.register_dataset("mine", title="Mine", factors=SPACE, shape=(64, 64, 3), licence="CC0", citation="me")
    def mine(_: dd.Request) -> dd.FactorGrid:
        with pytest.warns(UserWarning, match="have no image"):
            return grid_from_arrays(request, pictures()[:20], FACTORS[:20])

    batch = DisentDataModule("mine", data_dir=tmp_path, batch_size=500).train_dataloader().batch(0)
    assert set(batch.indices.tolist()) == set(ORDER[:20].tolist())


def test_a_sample_of_a_huge_space_holds_what_there_is(tmp_path: Path) -> None:
    space = dd.FactorSpace(("a", "b", "c", "d"), (100, 100, 100, 100))
    rng = np.random.default_rng(0)
    numbers = rng.choice(space.size, size=200, replace=False)
    images = rng.integers(0, 256, size=(200, 8, 8, 1), dtype=np.uint8)
    request = make_request(tmp_path, space=space, shape=(8, 8, 1))
    with pytest.warns(UserWarning, match="99,999,800 of 100,000,000 factor combinations have no image"):
        grid = grid_from_arrays(request, images, space.factors(numbers))
    np.testing.assert_array_equal(grid.images(numbers[::-1]), images[::-1])
    with pytest.raises(dd.DataError, match="its grid is incomplete"):
        grid.images([next(n for n in range(300) if n not in numbers)])
    assert set(dd.BatchStream(grid, 64, seed=0).step(0).first.tolist()) <= set(numbers.tolist())
    changed = images.copy()
    changed[0, 0, 0] ^= 1
    with pytest.warns(UserWarning, match="have no image"):
        other = grid_from_arrays(request, changed, space.factors(numbers))
    assert grid.fingerprint != other.fingerprint
    np.testing.assert_array_equal(grid.stored[0:3], np.zeros((3, 8, 8, 1)))
    large = dd.FactorSpace(("a", "b"), (10**5, 10**5))
    with pytest.raises(dd.DataError, match=r"10,000,000,000 combinations; up to 500,000,000 are handled"):
        grid_from_arrays(
            make_request(tmp_path, space=large, shape=(8, 8, 1)), images, large.factors(np.arange(200) * 3)
        )


REPEATED = FACTORS.copy()
REPEATED[30] = REPEATED[2]


@pytest.mark.parametrize(
    ("images", "factors", "scale", "message"),
    [
        (pictures()[:, :32], FACTORS, 255, r"images must be uint8 \(n, \*\(64, 64, 3\)\), got uint8 \(40, 32, 64, 3\)"),
        (pictures() / 255, FACTORS, 255, "images must be uint8 .* got float64"),
        (pictures()[:39], FACTORS, 255, "need as many rows of factors as images, got 40 and 39"),
        (pictures(), FACTORS[:, :2], 255, r"factors: need shape \(n, 3\)"),
        (pictures(), FACTORS + 1, 255, r"factors: shape must be in 0\.\.1, got 2"),
        (pictures(), REPEATED, 255, "images 2 and 30 have the same factors"),
        (pictures(), FACTORS, 1, "scale=1 needs images of 0 and 1, got 225; register it with scale=255"),
    ],
)
def test_refuses_arrays(tmp_path: Path, images: np.ndarray, factors: np.ndarray, scale: int, message: str) -> None:
    with pytest.raises(dd.DataError, match=f"^mine: {message}"):
        grid_from_arrays(make_request(tmp_path, scale=scale), images, factors)


def spoil_picture(folder: Path) -> None:
    (folder / "3.png").write_bytes(b"no picture")


def make_bigger(folder: Path) -> None:
    Image.new("RGB", (32, 96)).save(folder / "3.png")


def make_grey(folder: Path) -> None:
    Image.new("L", (64, 64)).save(folder / "3.png")


def make_transparent(folder: Path) -> None:
    Image.new("RGBA", (64, 64)).save(folder / "3.png")


def remove_picture(folder: Path) -> None:
    (folder / "3.png").unlink()


def remove_table(folder: Path) -> None:
    (folder / "factors.csv").unlink()


def change_table(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "factors.csv"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


def binary_table(folder: Path) -> None:
    (folder / "factors.csv").write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (spoil_picture, r"3\.png cannot be read as a picture"),
        (
            make_bigger,
            r"3\.png is 96 x 32 pixels high and wide, kind RGB; registered are images \(64, 64, 3\): convert",
        ),
        (make_grey, r"3\.png is .* kind L; registered are"),
        (make_transparent, r"3\.png has transparency \(kind RGBA\); put it on a background"),
        (remove_picture, r"3\.png is not there, though the table names it"),
        (remove_table, r"factors\.csv cannot be read \(No such file"),
        (binary_table, r"factors\.csv is no CSV file"),
        (change_table("hue", "color"), r"factors\.csv: need the columns file, shape, hue, size .*'hue' is missing"),
        (change_table("0.75", ""), r"factors\.csv: line \d+ is incomplete"),
        (change_table(",4,ignored", ",3,ignored"), r"mine: images \d+ and \d+ have the same factors"),
        (change_table("square", "bar"), r"factors\.csv: shape must have 2 values or indices 0\.\.1, got 1 values"),
        (change_table("0.25", "0.5"), r"factors\.csv: hue must have 4 values or indices 0\.\.3, got 3 values"),
    ],
)
def test_refuses_folders(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    write(tmp_path / "mine", pictures())
    damage(tmp_path / "mine")
    with pytest.raises(dd.DataError, match=message) as caught:
        grid_from_folder(make_request(tmp_path), tmp_path / "mine")
    assert "\n" not in str(caught.value)


def test_an_empty_table(tmp_path: Path) -> None:
    write(tmp_path, pictures())
    (tmp_path / "factors.csv").write_text("file,shape,hue,size\n")
    with pytest.raises(dd.DataError, match="names no images"):
        grid_from_folder(make_request(tmp_path), tmp_path)


def test_the_example_trains_and_is_scored(tmp_path: Path, root: Path) -> None:
    write(tmp_path / "data" / "my_dataset", pictures())
    settings = ["steps=3", "batch_size=8", "scores.scores=[mig]", "scores.num_train=100", "scores.num_test=50"]
    command = [sys.executable, "-m", "disent_bench", "run", "--method", "vae", "--dataset", "my_dataset", "--plugin"]
    command += [root / "examples" / "my_dataset.py", "--runs", "runs", "--set", *settings]
    environment = {key: value for key, value in os.environ.items() if key != "DISENT_DATA"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "runs").rglob("result.json"))
