"""The official Cars3D archive: one of the same format with fewer cars, from a local server or in place."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets.request import Request
from disent_datasets.sets import cars3d
from PIL import Image
from scipy.io import savemat

SPACE = dd.FactorSpace(cars3d.SPACE.names, (2, 3, 4))
LISTED = [f"car_{number:03}_mesh" for number in (3, 1, 4, 2)]
MESHES = dict(
    zip(LISTED, np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3, 3, 2)).astype(np.uint8), strict=True)
)


def mat(content: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, content)
    return buffer.getvalue()


MATS = {f"{name}.mat": mat({"im": im, "mask": im[:, :, 0]}) for name, im in MESHES.items()}
FILES = {**dict(sorted(MATS.items())), "list.txt": "\n".join(LISTED).encode() + b"\n"}


def archive(**changes: bytes | None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        contents = {"data/shapes48.mat": b"?", "data/sprites/list.txt": b"x"}
        contents |= {f"data/cars/{name}": content for name, content in (FILES | changes).items() if content is not None}
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(content: bytes) -> bytes:
        monkeypatch.setattr(cars3d, "CHECKSUM", f"md5:{hashlib.md5(content).hexdigest()}")
        return content

    return put


def load(data_dir: Path, *files: Path) -> dd.FactorGrid:
    info = dataclasses.replace(dd.info("cars3d"), space=SPACE)
    return cars3d._cars3d(Request(info, "official", data_dir, files=files))


def check(grid: dd.FactorGrid) -> None:
    """Every image is the one of its elevation, azimuth and place in the list, shrunk."""
    for index, (elevation, azimuth, number) in enumerate(SPACE.factors(np.arange(SPACE.size))):
        original = np.ascontiguousarray(MESHES[LISTED[number]][..., azimuth, elevation])
        shrunk = np.asarray(Image.fromarray(original).resize((64, 64), Image.Resampling.LANCZOS))
        np.testing.assert_array_equal(grid.images([index])[0], shrunk)


def test_is_downloaded_and_converted(tmp_path: Path, trust: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = trust(archive())
    monkeypatch.setattr(cars3d, "URL", server.serve("cars.tar.gz", content, cut_after=[len(content) // 2]))
    check(load(tmp_path))
    assert len(server.requests) == 2
    (tmp_path / "cars3d" / cars3d.ARCHIVE).unlink()
    check(load(tmp_path))


def test_unpacked_files_of_disentanglement_lib_are_used_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "cars").mkdir()
    for name, content in FILES.items():
        (tmp_path / "cars" / name).write_bytes(content)
    with pytest.warns(UserWarning, match="only the format is checked"):
        check(load(tmp_path))


FIRST = LISTED[0] + ".mat"
IMAGES = MESHES[LISTED[0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"list.txt": None}, "list.txt is missing"),
        ({"list.txt": b"car_003_mesh\ncar_001_mesh\n"}, "list.txt names 2 types, need 4"),
        ({FIRST: None}, f"{FIRST} is missing"),
        ({FIRST: mat({"image": IMAGES})}, "cannot be read as the Cars3D file"),
        ({FIRST: mat({"im": IMAGES[:64]})}, "im of .* must be uint8"),
        ({FIRST: mat({"im": IMAGES[..., :1, :]})}, "im of .* must be uint8"),
        ({FIRST: mat({"im": IMAGES / 255})}, "im of .* must be uint8"),
        ({FIRST: b"not a matlab file" * 20}, f"{FIRST} cannot be read as a MATLAB file"),
        ({FIRST: b""}, f"{FIRST} cannot be read as a MATLAB file"),
        ({FIRST: MATS[FIRST][:3000]}, f"{FIRST} cannot be read as a MATLAB file|cannot be read as the Cars3D"),
    ],
)
def test_wrong_content(tmp_path: Path, refuses: Any, trust: Any, changes: dict[str, Any], message: str) -> None:
    (tmp_path / cars3d.ARCHIVE).write_bytes(trust(archive(**changes)))
    refuses(lambda: load(tmp_path), tmp_path, message)


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.999])
def test_a_truncated_archive(tmp_path: Path, refuses: Any, trust: Any, keep: float) -> None:
    content = archive()
    kept = content[: keep if isinstance(keep, int) else int(keep * len(content))]
    (tmp_path / cars3d.ARCHIVE).write_bytes(trust(kept))
    refuses(lambda: load(tmp_path), tmp_path, "cannot be read as the Cars3D file")


def test_is_given_by_its_path(tmp_path: Path, trust: Any, untouched: Any) -> None:
    path = tmp_path / "cars of mine.gz"
    path.write_bytes(trust(archive()))
    with untouched(path):
        check(load(tmp_path / "data", path))
    spoilt = tmp_path / "spoilt.gz"
    spoilt.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(dd.DataError, match=f"{spoilt} is not the official file: md5"):
        load(tmp_path / "other", spoilt)


def test_another_file_is_refused(tmp_path: Path, refuses: Any) -> None:
    (tmp_path / cars3d.ARCHIVE).write_bytes(archive())
    refuses(lambda: load(tmp_path), tmp_path, "is not the official file: md5 ")


def test_the_real_numbering() -> None:
    space = dd.info("cars3d").space
    assert space.size == 17_568
    np.testing.assert_array_equal(space.factors([4392, 183, 1]), np.eye(3, dtype=int))
