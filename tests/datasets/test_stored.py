from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets import DataError, FactorGrid
from disent_datasets.request import Request
from disent_datasets.storage import stored
from disent_datasets.storage.stored import Origin, read, stored_grid

Images = Callable[[Request], np.ndarray]


def make(request: Request, images: np.ndarray, *, rebuild: bool = True, verified: bool = True) -> FactorGrid:
    origin = Origin(lambda: iter(np.array_split(images, 7)), "drawing", verified=verified)
    return stored_grid(request, lambda: origin, rebuild=rebuild)


def never() -> Origin:
    raise AssertionError("the stored grid should have been used")


def files(request: Request) -> list[str]:
    return sorted(path.name for path in request.folder.iterdir() if path.suffix != ".lock")


def test_stores_once_and_reads_it_back(request_tiny: Request, tiny_images: Images) -> None:
    images = tiny_images(request_tiny)
    made = make(request_tiny, images)
    again = stored_grid(request_tiny, never, rebuild=True)
    in_memory = FactorGrid(images, request_tiny.info.space, name="tiny", source="memory")
    for grid in (made, again):
        np.testing.assert_array_equal(grid.images(np.arange(60)), images)
        assert grid.fingerprint == in_memory.fingerprint
        assert (grid.name, grid.source, grid.scale) == ("tiny", "drawn", request_tiny.info.scale)
    assert files(request_tiny) == ["drawn.json", "drawn.npy"]


def test_binary_images_take_an_eighth_and_every_file_is_plain_npy(request_tiny: Request, tiny_images: Images) -> None:
    make(request_tiny, tiny_images(request_tiny))
    stored = np.load(request_tiny.folder / "drawn.npy")
    assert stored.shape == ((60, 8) if request_tiny.info.scale == 1 else (60, 8, 8, 1))


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def flip_a_byte_keeping_size_and_time(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(300)
        byte = file.read(1)[0]
        file.seek(300)
        file.write(bytes([byte ^ 128]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def spoil_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not numpy")


DAMAGE = [flip_last_byte, flip_a_byte_keeping_size_and_time, truncate, append, spoil_header, os.remove]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_said_and_drawn_images_are_made_again(
    request_tiny: Request, tiny_images: Images, damage: Callable[[Path], None]
) -> None:
    images = tiny_images(request_tiny)
    fingerprint = make(request_tiny, images).fingerprint
    damage(request_tiny.folder / "drawn.npy")
    with pytest.warns(UserWarning, match=r"drawn\.npy is (damaged|gone).*making it again"):
        grid = make(request_tiny, images)
    assert grid.fingerprint == fingerprint
    np.testing.assert_array_equal(grid.images(np.arange(60)), images)
    stored_grid(request_tiny, never, rebuild=True)


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_to_what_cannot_be_drawn_again_is_an_error(
    request_tiny: Request, tiny_images: Images, damage: Callable[[Path], None]
) -> None:
    make(request_tiny, tiny_images(request_tiny))
    damage(request_tiny.folder / "drawn.npy")
    with pytest.raises(DataError, match=r"drawn\.npy is (damaged|gone).*delete it"):
        stored_grid(request_tiny, never, rebuild=False)


@pytest.mark.parametrize("damage", [truncate, append, spoil_header, os.remove], ids=lambda f: f.__name__)
def test_without_verification_gross_damage_is_still_noticed(
    request_tiny: Request, tiny_images: Images, damage: Callable[[Path], None]
) -> None:
    make(request_tiny, tiny_images(request_tiny))
    damage(request_tiny.folder / "drawn.npy")
    with pytest.raises(DataError, match=r"damaged|gone"):
        stored_grid(dataclasses.replace(request_tiny, verify=False), never, rebuild=False)


def test_a_big_file_is_read_again_only_if_it_was_touched_or_on_demand(
    request_tiny: Request, tiny_images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "TRUSTED", 400)
    make(request_tiny, tiny_images(request_tiny))
    data = request_tiny.folder / "drawn.npy"
    os.utime(data, ns=(0, 0))
    read(request_tiny)
    make_again = json.loads((request_tiny.folder / "drawn.json").read_text())["mtime_ns"]
    os.utime(data, ns=(make_again, make_again))
    flip_a_byte_keeping_size_and_time(data)
    read(request_tiny)
    with pytest.raises(DataError, match="SHA-256"):
        read(request_tiny, thorough=True)
    os.utime(data, ns=(0, 0))
    with pytest.raises(DataError, match="SHA-256"):
        read(request_tiny)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sizes": [3, 4, 6]}', '{"verified": 1}', '{"format": 0}'])
def test_a_spoilt_record_is_noticed(request_tiny: Request, tiny_images: Images, text: str) -> None:
    make(request_tiny, tiny_images(request_tiny))
    record = request_tiny.folder / "drawn.json"
    if len(text) > 2:
        text = json.dumps(json.loads(record.read_text()) | json.loads(text))
    record.write_text(text)
    with pytest.warns(UserWarning, match=r"drawn\.json .*making it again"):
        make(request_tiny, tiny_images(request_tiny))
    stored_grid(request_tiny, never, rebuild=True)


def test_images_of_another_fingerprint_are_never_stored(request_tiny: Request, tiny_images: Images) -> None:
    info = dataclasses.replace(request_tiny.info, fingerprints={"drawn": "0" * 64})
    with pytest.raises(DataError, match="SHA-256"):
        make(dataclasses.replace(request_tiny, info=info), tiny_images(request_tiny))
    assert files(request_tiny) == []


def test_an_older_drawing_is_made_again(request_tiny: Request, tiny_images: Images) -> None:
    images = tiny_images(request_tiny)
    in_memory = FactorGrid(images, request_tiny.info.space, name="tiny", source="memory")
    now = dataclasses.replace(request_tiny.info, fingerprints={"drawn": in_memory.fingerprint})
    make(request_tiny, images[::-1])
    with pytest.warns(UserWarning, match="does not describe what this version of the package makes; making it again"):
        grid = make(dataclasses.replace(request_tiny, info=now), images)
    np.testing.assert_array_equal(grid.images(np.arange(60)), images)


def test_images_of_another_version_are_not_used(request_tiny: Request, tiny_images: Images) -> None:
    images = tiny_images(request_tiny)
    make(request_tiny, images)
    newer = dataclasses.replace(request_tiny, info=dataclasses.replace(request_tiny.info, version=2))
    with pytest.raises(DataError, match=r"describes version 1 of tiny, and this is version 2; delete it"):
        stored_grid(newer, never, rebuild=False)
    with pytest.warns(UserWarning, match=r"describes version 1 of tiny, and this is version 2; making it again"):
        make(newer, request_tiny.info.scale - images)
    np.testing.assert_array_equal(read(newer).images(np.arange(60)), request_tiny.info.scale - images)


def test_a_record_without_a_version_is_of_the_first(request_tiny: Request, tiny_images: Images) -> None:
    """As packages wrote it before data sets had versions."""
    make(request_tiny, tiny_images(request_tiny))
    record = request_tiny.folder / "drawn.json"
    record.write_text(json.dumps({k: v for k, v in json.loads(record.read_text()).items() if k != "version"}))
    stored_grid(request_tiny, never, rebuild=False)


@pytest.mark.parametrize("bad", ["few", "many", "shape", "dtype", "range"])
def test_wrong_images_are_refused_and_leave_nothing(request_tiny: Request, tiny_images: Images, bad: str) -> None:
    if bad == "range" and request_tiny.info.scale == 255:
        pytest.skip("a byte holds every grey value")
    images = tiny_images(request_tiny)
    wrong = {
        "few": images[:-1],
        "many": np.concatenate([images, images[:1]]),
        "shape": images[:, :4],
        "dtype": images.astype(np.int64),
        "range": images * 255,
    }[bad]
    with pytest.raises(DataError, match="tiny: need"):
        make(request_tiny, wrong)
    assert files(request_tiny) == []


def test_what_was_never_verified_is_made_again_when_verification_is_asked_for(
    request_tiny: Request, tiny_images: Images
) -> None:
    images = tiny_images(request_tiny)
    careless = dataclasses.replace(request_tiny, verify=False)
    make(careless, images, verified=False)
    stored_grid(careless, never, rebuild=True)
    with pytest.raises(dd.MissingError, match="checksum was not compared"):
        read(request_tiny)
    make(request_tiny, images)
    read(request_tiny)


def test_killed_between_images_and_record(request_tiny: Request, tiny_images: Images) -> None:
    make(request_tiny, tiny_images(request_tiny))
    (request_tiny.folder / "drawn.json").unlink()
    with pytest.warns(UserWarning, match="interrupted; starting again"):
        make(request_tiny, tiny_images(request_tiny))
    stored_grid(request_tiny, never, rebuild=True)


def test_an_interruption_leaves_nothing(request_tiny: Request, tiny_images: Images) -> None:
    def interrupted() -> Iterator[np.ndarray]:
        yield tiny_images(request_tiny)[:30]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored_grid(request_tiny, lambda: Origin(interrupted, "drawing"), rebuild=True)
    assert files(request_tiny) == []


def test_room_is_checked_before_anything_is_written(
    request_tiny: Request, tiny_images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(request_tiny.data_dir.parent)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"no room \(0 MB free.*DISENT_DATA"):
        make(request_tiny, tiny_images(request_tiny))
    assert files(request_tiny) == []


def test_a_disk_that_fills_up_at_the_last_moment(
    request_tiny: Request, tiny_images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="no room"):
        make(request_tiny, tiny_images(request_tiny))
    assert files(request_tiny) == []


def test_a_data_folder_that_is_a_file(request_tiny: Request, tiny_images: Images) -> None:
    request_tiny.data_dir.write_text("")
    with pytest.raises(DataError, match=r"cannot store .* \(Not a directory\); set DISENT_DATA"):
        make(request_tiny, tiny_images(request_tiny))


def test_a_folder_that_cannot_be_made(request_tiny: Request, tiny_images: Images) -> None:
    # Nobody, root included, can make a folder there.
    request = dataclasses.replace(request_tiny, data_dir=Path("/proc/disent"))
    with pytest.raises(DataError, match=r"cannot store .* set DISENT_DATA"):
        make(request, tiny_images(request_tiny))
