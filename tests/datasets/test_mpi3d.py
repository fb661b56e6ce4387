"""The official MPI3D files: files of the same format on a smaller grid, and sparse ones of full size."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets.registry import REGISTERED
from disent_datasets.request import Request
from disent_datasets.sets import mpi3d

SPACE = dd.FactorSpace(mpi3d.NAMES, (3, 2, 2, 1, 2, 3, 4))
COMPLEX_SPACE = dd.FactorSpace(mpi3d.NAMES, (2, 1, 2, 1, 2, 3, 4))
IMAGES = np.random.default_rng(0).integers(0, 256, (SPACE.size, 64, 64, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpi3d, "BLOCK", 100)
    monkeypatch.setattr(mpi3d, "SPACE", SPACE)
    monkeypatch.setattr(mpi3d, "COMPLEX_SPACE", COMPLEX_SPACE)


def content(images: np.ndarray = IMAGES, key: str = "images") -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{key: images})
    return buffer.getvalue()


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(file: bytes) -> bytes:
        monkeypatch.setitem(mpi3d.MD5, "toy", hashlib.md5(file).hexdigest())
        return file

    return put


def load(data_dir: Path, kind: str = "toy", verify: bool = True, files: tuple[Path, ...] = ()) -> dd.FactorGrid:
    info = dataclasses.replace(dd.info(f"mpi3d_{kind}"), space=COMPLEX_SPACE if kind == "complex" else SPACE)
    return REGISTERED[f"mpi3d_{kind}"].factory(Request(info, "official", data_dir, verify, files))


def put(data_dir: Path, file: bytes, kind: str = "toy") -> Path:
    path = data_dir / f"mpi3d_{kind}" / (mpi3d.COMPLEX_NAME if kind == "complex" else f"mpi3d_{kind}.npz")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(file)
    return path


def test_is_downloaded_and_converted(tmp_path: Path, trust: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = trust(content())
    server.serve("mpi3d_toy.npz", file, cut_after=[len(file) // 2])
    monkeypatch.setattr(mpi3d, "HOST", server.url("")[:-1])
    grid = load(tmp_path)
    assert [each.path for each in server.requests] == ["/mpi3d_toy.npz"] * 2
    np.testing.assert_array_equal(grid.images(np.arange(SPACE.size)), IMAGES)
    assert grid.fingerprint == hashlib.sha256(IMAGES.tobytes()).hexdigest()


def test_lies_where_disentanglement_lib_has_it(tmp_path: Path, trust: Any) -> None:
    put(tmp_path, trust(content()))
    grid = load(tmp_path)
    index = grid.index([[2, 1, 0, 0, 1, 2, 3]])
    assert index.tolist() == [2 * 96 + 1 * 48 + 1 * 12 + 2 * 4 + 3]
    np.testing.assert_array_equal(grid.images(index)[0], IMAGES[index[0]])


@pytest.mark.parametrize("kind", ["realistic", "real", "complex"])
def test_files_without_a_known_checksum_are_used_with_a_warning(tmp_path: Path, kind: str) -> None:
    images = IMAGES[: COMPLEX_SPACE.size] if kind == "complex" else IMAGES
    put(tmp_path, content(images), kind)
    with pytest.warns(UserWarning, match="published.*only its format is checked"):
        grid = load(tmp_path, kind)
    assert len(load(tmp_path, kind)) == len(grid) == len(images)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_is_given_by_its_path(tmp_path: Path, kind: str, untouched: Any) -> None:
    path = tmp_path / "real (2).npz"
    path.write_bytes(content(IMAGES[: COMPLEX_SPACE.size] if kind == "complex" else IMAGES))
    with untouched(path), pytest.warns(UserWarning, match=r"real \(2\)\.npz: .*only its format is checked"):
        grid = load(tmp_path / "data", kind, files=(path,))
    np.testing.assert_array_equal(grid.images(np.arange(len(grid))), IMAGES[: len(grid)])
    assert not list((tmp_path / "data").rglob("*.npz"))
    other = "real" if kind == "complex" else "complex"
    with pytest.warns(match="published"), pytest.raises(dd.DataError, match=r"real \(2\)\.npz has [0-9,]+ images"):
        load(tmp_path / "data", other, files=(path,))


def test_the_first_release_is_named_and_never_misread(tmp_path: Path, trust: Any) -> None:
    put(tmp_path, trust(content(IMAGES[: COMPLEX_SPACE.size])))
    with pytest.raises(dd.DataError, match=r"460,800 images: .*first release of 2019 .* not MPI3D toy"):
        load(tmp_path)
    put(tmp_path, content(), "complex")
    with (
        pytest.warns(match="published"),
        pytest.raises(dd.DataError, match=r"1,036,800 images: .* not MPI3D real-complex"),
    ):
        load(tmp_path, "complex")
    assert not list(tmp_path.glob("*/*.npy"))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (content(IMAGES[:-1]), "images must have shape"),
        (content(IMAGES[:, :32]), "images must have shape"),
        (content(IMAGES[..., 0]), "images must have shape"),
        (content(IMAGES.astype(np.float32)), "must be uint8"),
        (content(key="imgs"), "cannot be read as the MPI3D toy file .*images.npy"),
        (content()[:-1000], "cannot be read as the MPI3D toy file"),
        (b"", "cannot be read as the MPI3D toy file"),
    ],
    ids=["few", "small", "grey", "float", "key", "truncated", "empty"],
)
def test_wrong_content(tmp_path: Path, refuses: Any, trust: Any, file: bytes, message: str) -> None:
    put(tmp_path, trust(file))
    refuses(lambda: load(tmp_path), tmp_path, message)


def test_a_spoilt_pixel_is_noticed_by_the_archive_s_own_checksum(tmp_path: Path, trust: Any) -> None:
    """This is all that guards a file whose checksum nobody has published."""
    file = bytearray(content())
    file[len(file) // 2] ^= 1
    put(tmp_path, trust(bytes(file)))
    with pytest.raises(dd.DataError, match="CRC"):
        load(tmp_path)


def test_the_real_numbering() -> None:
    space = dd.info("mpi3d_real").space
    assert space.size == 1_036_800
    steps = [172_800, 28_800, 14_400, 4800, 1600, 40, 1]
    np.testing.assert_array_equal(space.factors(steps), np.eye(7, dtype=int))
    space = dd.info("mpi3d_complex").space
    assert space.size == 460_800
    np.testing.assert_array_equal(space.factors([115_200, *steps[1:]]), np.eye(7, dtype=int))


@pytest.mark.slow
def test_a_full_size_sparse_file_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All 460,800 images of real-complex (5.7 GB), nearly all of them black and not on disk, go through in blocks."""
    import resource

    if shutil.disk_usage(tmp_path).free < 10**10:
        pytest.skip("needs 10 GB of disk")
    monkeypatch.undo()
    space = dd.info("mpi3d_complex").space
    header = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (space.size, 64, 64, 3)}
    np.lib.format.write_array_header_1_0(header, description)
    path = tmp_path / mpi3d.COMPLEX_NAME
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for block in range(96):
            images = np.zeros((4800, 64, 64, 3), np.uint8)
            images[block, 0, 0] = 1 + block
            member.write(images.tobytes())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.warns(UserWarning, match="only its format"):
        grid = dd.load("mpi3d_complex", data_dir=tmp_path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 500_000  # kB
    assert grid.images([4800 * 50 + 50])[0, 0, 0].tolist() == [51] * 3
    os.unlink(tmp_path / "mpi3d_complex" / "official.npy")
