"""The official dSprites files: files of the same format on a smaller grid, and a sparse one of full size."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import disent_datasets as dd
import h5py
import numpy as np
import pytest
from disent_datasets.originals.download import RemoteFile
from disent_datasets.registry import REGISTERED, Entry
from disent_datasets.request import Request
from disent_datasets.sets import dsprites

SIZES = (3, 2, 4, 3, 5)
SPACE = dd.FactorSpace(dd.dsprites.SPACE.names, SIZES)
IMAGES = np.random.default_rng(0).integers(0, 2, (SPACE.size, 64, 64)).astype(np.uint8)
CHUNK = dsprites.BLOCK
CLASSES = np.pad(SPACE.factors(np.arange(SPACE.size)), ((0, 0), (1, 0)))


def content(**changes: Any) -> dict[str, Any]:
    metadata = np.array({"title": "dSprites dataset"}, dtype=object)
    values = CLASSES.astype(np.float64)
    members = {"imgs": IMAGES, "latents_classes": CLASSES, "latents_values": values, "metadata": metadata}
    return {key: value for key, value in (members | changes).items() if value is not None}


def write_npz(folder: Path, **changes: Any) -> Path:
    path = folder / f"{dsprites.STEM}.npz"
    np.savez_compressed(path, **content(**changes))
    return path


def write_hdf5(folder: Path, **changes: Any) -> Path:
    path = folder / f"{dsprites.STEM}.hdf5"
    members = content(**changes)
    with h5py.File(path, "w") as file:
        for key, name in (("latents_classes", "latents/classes"), ("latents_values", "latents/values")):
            if key in members:
                file[name] = members[key]
        if "imgs" in members:
            file.create_dataset("imgs", data=members["imgs"], chunks=(60, 2, 4), compression="gzip")
    return path


Write = Callable[..., Path]
BOTH = pytest.mark.parametrize("write", [write_npz, write_hdf5])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data set's folder in disentanglement_lib's layout."""
    (tmp_path / "dsprites").mkdir()
    return tmp_path / "dsprites"


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Take a file's checksum for the official one's, as the official file is too big for a test."""

    def put(path: Path) -> None:
        algorithm = "md5" if path.suffix == ".npz" else "sha256"
        digest = hashlib.new(algorithm, path.read_bytes()).hexdigest()
        monkeypatch.setattr(dsprites, "FILES", [RemoteFile(path.name, checksums=(f"{algorithm}:{digest}",))])

    return put


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsprites, "BLOCK", 50)


def load(folder: Path, verify: bool = True, files: tuple[Path, ...] = ()) -> dd.FactorGrid:
    info = dataclasses.replace(dd.info("dsprites"), space=SPACE)
    return dsprites._dsprites(Request(info, "official", folder.parent, verify, files))


def no_images(folder: Path) -> bool:
    return not [path for path in folder.iterdir() if path.name.endswith((".npy", ".json", ".tmp"))]


@BOTH
def test_converts_once_and_needs_the_original_no_more(write: Write, folder: Path, trust: Any) -> None:
    path = write(folder)
    trust(path)
    assert load(folder).source == "official"
    path.unlink()
    grid = load(folder)
    np.testing.assert_array_equal(grid.images(np.arange(SPACE.size))[..., 0], IMAGES)
    assert grid.fingerprint == hashlib.sha256(IMAGES.tobytes()).hexdigest()


@BOTH
def test_is_found_in_the_data_folder_itself(write: Write, folder: Path, trust: Any) -> None:
    trust(write(folder.parent))
    assert len(load(folder)) == SPACE.size


@BOTH
def test_is_given_by_its_path(write: Write, folder: Path, tmp_path: Path, trust: Any, untouched: Any) -> None:
    """Whatever it is called, and instead of one that lies in its place."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = write(elsewhere)
    trust(path)
    path = path.rename(elsewhere / f"download (1){path.suffix}")
    write(folder, imgs=IMAGES * 0)
    with untouched(path):
        np.testing.assert_array_equal(load(folder, files=(path,)).images(np.arange(SPACE.size))[..., 0], IMAGES)
    assert not [file for file in folder.iterdir() if file.stat().st_size == path.stat().st_size]


@BOTH
def test_another_file_given_is_refused(write: Write, folder: Path, tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(dd.DataError, match=f"{path} is not the official file"):
        load(folder, files=(path,))
    text = tmp_path / "dsprites.txt"
    text.write_text("text")
    with pytest.raises(dd.DataError, match=rf"{text} is not a file of dSprites: need {dsprites.STEM}\.npz or"):
        load(folder, files=(text,))
    assert no_images(folder)
    assert path.exists()


def test_the_sprites_of_a_variant_are_given_by_path(
    folder: Path, tmp_path: Path, trust: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_npz(tmp_path)
    trust(path)
    small = dataclasses.replace(dd.info("dsprites"), space=SPACE)
    info, factory = REGISTERED["color_dsprites"]
    variant = dataclasses.replace(info, space=SPACE, stored=small)
    monkeypatch.setitem(REGISTERED, "color_dsprites", Entry(variant, factory))
    grid = dd.load("color_dsprites", source="official", data_dir=tmp_path / "data", files=[path])
    np.testing.assert_array_equal(grid.images(np.arange(20))[..., 0] > 0, IMAGES[:20] > 0)


def test_offline_one_line_says_where_to_put_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline = [dataclasses.replace(file, urls=("http://127.0.0.1:9/file",)) for file in dsprites.FILES]
    monkeypatch.setattr(dsprites, "FILES", offline)
    with pytest.raises(dd.DataError, match=rf"offline\?.*npz or .*hdf5 by hand into {tmp_path}/dsprites, or .*--file"):
        dd.load("dsprites", source="official", data_dir=tmp_path)


@BOTH
def test_is_downloaded(
    write: Write, folder: Path, tmp_path: Path, trust: Any, monkeypatch: pytest.MonkeyPatch, server: Any
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = write(elsewhere)
    trust(path)
    (file,) = dsprites.FILES
    urls = (server.url("gone"), server.serve("file", path.read_bytes(), cut_after=[100_000]))
    monkeypatch.setattr(dsprites, "FILES", [dataclasses.replace(file, urls=urls)])
    np.testing.assert_array_equal(load(folder).images(np.arange(SPACE.size))[..., 0], IMAGES)
    assert len(server.requests) == 3


@BOTH
def test_another_file_is_refused_unless_told_otherwise(write: Write, folder: Path) -> None:
    path = write(folder)
    with pytest.raises(dd.DataError, match=f"{path} is not the official file: (md5|sha256) "):
        load(folder)
    assert no_images(folder)
    load(folder, verify=False)
    with pytest.raises(dd.DataError, match="is not the official file"):
        load(folder)


@BOTH
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imgs": None}, "cannot be read as the dSprites file"),
        ({"latents_classes": None}, "cannot be read as the dSprites file"),
        ({"latents_classes": CLASSES[::-1]}, "row-major order"),
        ({"latents_classes": CLASSES[:-1]}, "row-major order"),
        ({"latents_classes": CLASSES[:, 1:]}, "row-major order"),
        ({"imgs": IMAGES[:-1]}, "imgs must have shape"),
        ({"imgs": IMAGES[:, :32]}, "imgs must have shape"),
        ({"imgs": IMAGES * 255}, "up to 1"),
        ({"imgs": IMAGES.astype(np.float32)}, "uint8"),
    ],
)
def test_wrong_content(write: Write, folder: Path, trust: Any, changes: dict[str, Any], message: str) -> None:
    trust(write(folder, **changes))
    with pytest.raises(dd.DataError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert no_images(folder)


@BOTH
@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_cut_off_file(write: Write, folder: Path, trust: Any, keep: float) -> None:
    path = write(folder)
    size = path.stat().st_size
    os.truncate(path, keep if isinstance(keep, int) else int(keep * size))
    trust(path)
    with pytest.raises(dd.DataError, match="cannot be read as the dSprites file"):
        load(folder)
    assert no_images(folder)


def test_a_spoilt_byte_inside_the_archive(folder: Path) -> None:
    path = write_npz(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 255
    path.write_bytes(content)
    with pytest.raises(dd.DataError, match="cannot be read as the dSprites file"):
        load(folder, verify=False)
    assert no_images(folder)


@pytest.mark.slow
def test_full_size_sparse_hdf5(tmp_path: Path, trust: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All 737,280 images in the official file's chunks, of which only a few are written."""
    monkeypatch.setattr(dsprites, "BLOCK", CHUNK)
    path = tmp_path / f"{dsprites.STEM}.hdf5"
    space = dd.dsprites.SPACE
    chosen = np.array([0, 300_000, space.size - 1])
    images = dd.dsprites.draw(space.factors(chosen))
    with h5py.File(path, "w") as file:
        classes = np.pad(space.factors(np.arange(space.size)), ((0, 0), (1, 0)))
        file.create_dataset("latents/classes", data=classes, chunks=(CHUNK, 6), compression="gzip")
        stored = file.create_dataset("imgs", (space.size, 64, 64), np.uint8, chunks=(CHUNK, 2, 4), compression="gzip")
        for index, image in zip(chosen, images, strict=True):
            stored[index] = image
    trust(path)
    grid = dd.load("dsprites", source="official", data_dir=tmp_path)
    np.testing.assert_array_equal(grid.images(chosen)[..., 0], images)
    assert sum(int(block.sum()) for block in grid.blocks()) == images.sum()
