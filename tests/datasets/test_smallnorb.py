"""The official SmallNORB files: six files of the same format on a smaller grid."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets.request import Request
from disent_datasets.sets import smallnorb
from PIL import Image

FULL = dd.FactorSpace(smallnorb.FULL_SPACE.names, (2, 4, 3, 3, 2))
SPACE = dd.FactorSpace(smallnorb.SPACE.names, (2, 3, 3, 2))
LABELS = FULL.factors(np.random.default_rng(0).permutation(FULL.size))
TRAINING = np.isin(LABELS[:, 1], (0, 3))


def grey(labels: np.ndarray) -> np.ndarray:
    """A grey level for each combination, so that every image can be told by its looks."""
    return (FULL.index(labels) + 20).astype(np.uint8)


def matrix(array: np.ndarray) -> bytes:
    """The binary matrix format: magic number, number of dimensions, at least three sizes, values."""
    magic = {"|u1": 0x1E3D4C55, "<i4": 0x1E3D4C54, "<f4": 0x1E3D4C51}[array.dtype.str]
    sizes = [*array.shape, 1, 1, 1][: max(3, array.ndim)]
    return np.array([magic, array.ndim, *sizes], "<i4").tobytes() + array.tobytes()


def arrays(chosen: np.ndarray) -> dict[str, np.ndarray]:
    labels = LABELS[chosen]
    left = np.broadcast_to(grey(labels)[:, None, None], (len(labels), 96, 96)).copy()
    left[:, :48] //= 2  # the upper half is darker
    both = np.stack([left, np.full_like(left, 255)], axis=1)
    info = labels[:, 1:] * [1, 1, 2, 1]
    return {"dat": both, "cat": labels[:, 0].astype("<i4"), "info": info.astype("<i4")}


def files(**changes: np.ndarray) -> dict[str, bytes]:
    """Unpacked content of the six files; changes concern the training part."""
    made = {}
    for part, chosen in zip(smallnorb.PARTS, (TRAINING, ~TRAINING), strict=True):
        content = arrays(chosen) | (changes if part == smallnorb.PARTS[0] else {})
        made |= {f"{part}-{kind}.mat": matrix(array) for kind, array in content.items()}
    return made


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(packed: dict[str, bytes]) -> dict[str, bytes]:
        for name, content in packed.items():
            monkeypatch.setitem(smallnorb.SHA256, name, hashlib.sha256(content).hexdigest())
        return packed

    return put


def pack(unpacked: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(content, 1) for name, content in unpacked.items()}


def write(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def load(data_dir: Path, files: list[Path] | None = None) -> dd.FactorGrid:
    info = dd.info("smallnorb")
    assert info.stored
    info = dataclasses.replace(info, space=SPACE, stored=dataclasses.replace(info.stored, space=FULL))
    return smallnorb._smallnorb(Request(info, "official", data_dir, files=tuple(files or ())))


def test_is_downloaded_and_put_in_factor_order(
    tmp_path: Path, trust: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in trust(pack(files())).items():
        server.serve(name, content, content_type="application/x-gzip")
    monkeypatch.setattr(smallnorb, "PAGE", server.url(""))
    grid = load(tmp_path)
    assert len(server.requests) == 6
    assert (grid.space, grid.shape, grid.nuisance, grid.scale) == (SPACE, (64, 64, 1), True, 255)
    stored = grid.base.images(np.arange(FULL.size))  # type: ignore[attr-defined]
    expected = grey(FULL.factors(np.arange(FULL.size)))
    np.testing.assert_array_equal(stored[:, 50:, :, 0], np.broadcast_to(expected[:, None, None], (144, 14, 64)))
    np.testing.assert_array_equal(stored[:, 10, 10, 0], expected // 2)


def test_shrinks_as_the_lanczos_filter_of_pillow_does(tmp_path: Path, trust: Any) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, arrays(TRAINING)["dat"].shape).astype(np.uint8)
    write(tmp_path / "smallnorb", trust(pack(files(dat=pixels))))
    grid = load(tmp_path)
    row = 7
    index = FULL.index(LABELS[TRAINING][[row]])
    shrunk = np.asarray(Image.fromarray(pixels[row, 0]).resize((64, 64), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(grid.base.images(index)[0, ..., 0], shrunk)  # type: ignore[attr-defined]


def test_instances_are_drawn_uniformly_and_factors_kept(tmp_path: Path, trust: Any) -> None:
    write(tmp_path / "small_norb", trust(pack(files())))
    grid = load(tmp_path)
    indices = np.repeat(np.arange(SPACE.size), 100)
    seen = FULL.factors(grid.images(indices)[:, -1, -1, 0].astype(np.int64) - 20)
    np.testing.assert_array_equal(seen[:, [0, 2, 3, 4]], SPACE.factors(indices))
    counts = np.bincount(seen[:, 1], minlength=4)
    assert ((counts - 900) ** 2 / 900).sum() < 16.3  # 99.9 % point, 3 degrees of freedom


def test_unpacked_files_of_disentanglement_lib_are_used_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "small_norb", files())
    with pytest.warns(UserWarning, match="no checksum of it is published; only its format is checked"):
        assert len(load(tmp_path)) == SPACE.size


@pytest.fixture
def six(tmp_path: Path, trust: Any) -> list[Path]:
    """The six files as a user may have them: every other one under a name of its own."""
    write(tmp_path / "mine", trust(pack(files())))
    paths = sorted((tmp_path / "mine").iterdir())
    return [path.rename(path.with_name(f"{k}.gz")) if k % 2 else path for k, path in enumerate(paths)]


def test_the_six_files_are_given_by_path_in_any_order(tmp_path: Path, six: list[Path], untouched: Any) -> None:
    with untouched(*six):
        grid = load(tmp_path / "data", six[::-1])
    assert {path.name for path in (tmp_path / "data" / "smallnorb").iterdir()} == {
        ".official.lock",
        "official.json",
        "official.npy",
    }
    expected = grey(FULL.factors(np.arange(FULL.size)))
    np.testing.assert_array_equal(grid.base.images(np.arange(FULL.size))[:, 60, 30, 0], expected)  # type: ignore[attr-defined]


def test_some_files_are_given_and_the_others_lie_in_place(tmp_path: Path, six: list[Path]) -> None:
    (tmp_path / "data" / "smallnorb").mkdir(parents=True)
    for path in six[::2]:
        path.rename(tmp_path / "data" / "smallnorb" / path.name)
    assert len(load(tmp_path / "data", six[1::2])) == SPACE.size


def test_wrong_files_given_are_refused(
    tmp_path: Path, six: list[Path], refuses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smallnorb, "PAGE", "http://127.0.0.1:9/")
    data, other = tmp_path / "data", tmp_path / "other.gz"
    other.write_bytes(gzip.compress(b"something else"))
    refuses(lambda: load(data, [*six[:5], other]), data, f"{other} is not a file of SmallNORB: need smallnorb-5x46789x")
    twice = tmp_path / "twice.gz"
    twice.write_bytes(six[1].read_bytes())
    refuses(lambda: load(data, [*six, twice]), data, f"{six[1]} and {twice} are both taken for smallnorb-5x.*give one")
    named = tmp_path / six[0].name
    named.write_bytes(other.read_bytes())
    refuses(lambda: load(data, [named, *six[1:]]), data, f"{named} is not the official file")
    refuses(lambda: load(data, six[:5]), data, "cannot be reached.*by hand into .*or give its path as --file")


BAD_LABELS = LABELS[TRAINING][:, 1:] * [1, 1, 2, 1]
BAD_LABELS[0] = BAD_LABELS[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cat": arrays(TRAINING)["cat"] + 1}, "out of range"),
        ({"cat": arrays(TRAINING)["cat"][:-1]}, "do not fit"),
        ({"cat": arrays(TRAINING)["cat"].astype("<f4")}, "magic number 0x1e3d4c51"),
        ({"info": arrays(TRAINING)["info"][:, :3].copy()}, "need 32-bit integers"),
        ({"info": arrays(TRAINING)["info"] | 1}, "do not fit"),
        ({"info": BAD_LABELS.astype("<i4")}, "each of the 144 combinations exactly once"),
        ({"dat": arrays(TRAINING)["dat"][:, :1].copy()}, "need bytes"),
        ({"dat": arrays(TRAINING)["dat"][:-1]}, "need bytes"),
    ],
)
def test_wrong_content(tmp_path: Path, refuses: Any, trust: Any, changes: dict[str, Any], message: str) -> None:
    write(tmp_path / "smallnorb", trust(pack(files(**changes))))
    refuses(lambda: load(tmp_path), tmp_path, message)


@pytest.mark.parametrize("kind", ["dat", "cat", "info"])
@pytest.mark.parametrize("keep", [0, 10, -6])
def test_a_truncated_gz(tmp_path: Path, refuses: Any, trust: Any, kind: str, keep: int) -> None:
    packed = pack(files())
    name = f"{smallnorb.PARTS[1]}-{kind}.mat.gz"
    packed[name] = packed[name][:keep]
    write(tmp_path / "smallnorb", trust(packed))
    refuses(lambda: load(tmp_path), tmp_path, "cannot be read as the SmallNORB file|ends too early")


@pytest.mark.parametrize(("change", "message"), [(lambda c: c[:-1], "too early"), (lambda c: c + b"x", "longer than")])
def test_a_matrix_of_another_length(tmp_path: Path, refuses: Any, trust: Any, change: Any, message: str) -> None:
    unpacked = files()
    name = f"{smallnorb.PARTS[0]}-dat.mat"
    unpacked[name] = change(unpacked[name])
    write(tmp_path / "smallnorb", trust(pack(unpacked)))
    refuses(lambda: load(tmp_path), tmp_path, message)


def test_the_real_numbering() -> None:
    full, exposed = smallnorb.FULL_SPACE, dd.info("smallnorb").space
    assert (full.size, exposed.size) == (48_600, 4860)
    np.testing.assert_array_equal(full.factors([9720, 972, 108, 6, 1]), np.eye(5, dtype=int))
    np.testing.assert_array_equal(exposed.factors([972, 108, 6, 1]), np.eye(4, dtype=int))
