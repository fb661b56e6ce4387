"""The official Shapes3D file: files of the same format on a smaller grid, from a local server or in place."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path
from typing import Any

import disent_datasets as dd
import h5py
import numpy as np
import pytest
from disent_datasets.registry import REGISTERED, Entry
from disent_datasets.request import Request
from disent_datasets.sets import shapes3d

SIZES = (2, 3, 2, 3, 4, 3)
SPACE = dd.FactorSpace(shapes3d.SPACE.names, SIZES)
IMAGES = np.random.default_rng(0).integers(0, 256, (SPACE.size, 64, 64, 3)).astype(np.uint8)
VALUES = [
    np.arange(2) / 10,
    np.arange(3) / 10,
    np.arange(2) / 10,
    np.linspace(0.75, 1.25, 3),
    np.arange(4),
    [-30, 0, 30],
]
LABELS = np.stack([np.array(v)[f] for v, f in zip(VALUES, SPACE.factors(np.arange(SPACE.size)).T, strict=True)], axis=1)


def write(path: Path, **changes: Any) -> bytes:
    members = {"images": IMAGES, "labels": LABELS} | changes
    with h5py.File(path, "w") as file:
        for key, value in members.items():
            if value is not None:
                chunks = (50, 8, 8, 1) if value.ndim == 4 and value.shape[1] >= 8 else None
                file.create_dataset(key, data=value, chunks=chunks, compression="gzip")
    return path.read_bytes()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes3d, "BLOCK", 100)


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(content: bytes) -> None:
        monkeypatch.setattr(shapes3d, "CHECKSUM", f"sha256:{hashlib.sha256(content).hexdigest()}")

    return put


def load(data_dir: Path, verify: bool = True) -> dd.FactorGrid:
    info = dataclasses.replace(dd.info("shapes3d"), space=SPACE)
    return shapes3d._shapes3d(Request(info, "official", data_dir, verify))


def test_is_downloaded_and_converted(tmp_path: Path, trust: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = write(tmp_path / "elsewhere.h5")
    trust(content)
    monkeypatch.setattr(shapes3d, "URL", server.serve("3dshapes.h5", content, cut_after=[len(content) // 2]))
    grid = load(tmp_path)
    assert len(server.requests) == 2
    np.testing.assert_array_equal(grid.images(np.arange(SPACE.size)), IMAGES)
    assert grid.scale == 255
    (tmp_path / "shapes3d" / "3dshapes.h5").unlink()
    assert load(tmp_path).fingerprint == hashlib.sha256(IMAGES.tobytes()).hexdigest()


@pytest.mark.parametrize("folder", ["3dshapes", "shapes3d", "."])
def test_lies_where_disentanglement_lib_has_it(tmp_path: Path, trust: Any, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    trust(write(tmp_path / folder / "3dshapes.h5"))
    grid = load(tmp_path)
    index = grid.index([[1, 2, 0, 1, 3, 2]])
    assert LABELS[index[0]].tolist() == [0.1, 0.2, 0.0, 1.0, 3, 30]
    np.testing.assert_array_equal(grid.images(index)[0], IMAGES[index[0]])


def test_another_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "3dshapes.h5")
    with pytest.raises(dd.DataError, match="is not the official file: sha256 "):
        load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "cannot be read as the 3D Shapes file"),
        ({"labels": None}, "cannot be read as the 3D Shapes file"),
        ({"labels": LABELS[::-1].copy()}, "row-major order"),
        ({"labels": LABELS[:, :5]}, "labels must have shape"),
        ({"images": IMAGES[:-1]}, "images must have shape"),
        ({"images": IMAGES[..., :1]}, "images must have shape"),
        ({"images": IMAGES / 255}, "uint8"),
    ],
)
def test_wrong_content(tmp_path: Path, refuses: Any, trust: Any, changes: dict[str, Any], message: str) -> None:
    trust(write(tmp_path / "3dshapes.h5", **changes))
    refuses(lambda: load(tmp_path), tmp_path, message)


def test_a_cut_off_file(tmp_path: Path) -> None:
    content = write(tmp_path / "3dshapes.h5")
    (tmp_path / "3dshapes.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(dd.DataError, match="cannot be read as the 3D Shapes file"):
        load(tmp_path, verify=False)


def test_a_full_disk_is_one_clear_line(tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes3d, "URL", server.serve("3dshapes.h5", bytes(3_000_000)))
    usage = shutil.disk_usage(tmp_path)._replace(free=2_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(dd.DataError, match=r"no room \(2 MB free, 3 MB to download\); free some or set DISENT_DATA"):
        load(tmp_path)


def test_is_given_by_its_path(tmp_path: Path, trust: Any, untouched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    info, factory = REGISTERED["shapes3d"]
    monkeypatch.setitem(REGISTERED, "shapes3d", Entry(dataclasses.replace(info, space=SPACE), factory))
    mine, data = tmp_path / "mine.h5", tmp_path / "data"
    trust(write(mine))
    with untouched(mine):
        dd.prepare("shapes3d", data_dir=data, files=[str(mine)])
    assert {path.name for path in (data / "shapes3d").iterdir()} == {".official.lock", "official.json", "official.npy"}
    np.testing.assert_array_equal(dd.load("shapes3d", data_dir=data).images(np.arange(SPACE.size)), IMAGES)
    with pytest.warns(UserWarning, match=r"shapes3d \(official\) is stored already; no file is read"):
        dd.prepare("shapes3d", data_dir=data, files=[mine])


def test_verification_is_asked_of_a_given_file_too(tmp_path: Path) -> None:
    mine = tmp_path / "mine.h5"
    write(mine)
    info = dataclasses.replace(dd.info("shapes3d"), space=SPACE)
    request = Request(info, "official", tmp_path / "data", files=(mine,))
    with pytest.raises(dd.DataError, match=f"{mine} is not the official file: sha256 "):
        shapes3d._shapes3d(request)
    assert len(shapes3d._shapes3d(dataclasses.replace(request, verify=False))) == SPACE.size


def test_the_real_numbering() -> None:
    space = dd.info("shapes3d").space
    assert space.size == 480_000
    assert space.factors([0, 48_000, 4800, 480, 60, 15, 1, 479_999]).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
        [9, 9, 9, 7, 3, 14],
    ]
