"""Files of a user's own, imported under a name."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import disent_datasets as dd
import h5py
import numpy as np
import pytest
from disent_datasets import imported as importing
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

ROWS = list(itertools.product(["bar", "dot"], range(4), [0.1, 0.25, 0.5]))
ORDER = np.random.default_rng(3).permutation(24)
PICTURES = np.random.default_rng(1).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
FACTORS = np.array([[shape == "dot", hue, size] for shape, hue, size in ROWS], float)


def arrays(path: Path, **held: Any) -> Path:
    """Write arrays as the kind of file that the name says."""
    if path.suffix == ".npz":
        np.savez(path, **held)
    else:
        with h5py.File(path, "w") as file:
            for name, array in held.items():
                file[name] = array
    return path


def folder(path: Path, order: Sequence[int] = ORDER, pictures: np.ndarray = PICTURES) -> Path:
    path.mkdir()
    with (path / "factors.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "shape", "hue", "size"])
        for row in order:
            Image.fromarray(pictures[row].squeeze()).save(path / f"{row}.png")
            table.writerow([f"{row}.png", *ROWS[row]])
    return path


@pytest.mark.parametrize("kind", ["npz", "h5", "folder"])
def test_every_kind_of_file_gives_the_images_that_it_holds(tmp_path: Path, kind: str) -> None:
    data = tmp_path / "data"
    if kind == "folder":
        file = folder(tmp_path / "mine")
    else:
        file = arrays(tmp_path / f"mine.{kind}", images=PICTURES[ORDER], labels=FACTORS[ORDER])
    names = () if kind == "folder" else ("shape", "hue", "size")
    made = dd.import_data("mine", file, data_dir=data, factor_names=names, licence="CC0", title="Mine")
    assert made.values["shape"] == (["bar", "dot"] if kind == "folder" else ["0", "1"])
    assert made.values["size"] == ["0.1", "0.25", "0.5"]
    assert "mine" in dd.names(data)
    assert "mine" not in dd.names(tmp_path)
    info = dd.info("mine", data)
    assert (info.title, info.licence, info.space.sizes, info.scale) == ("Mine", "CC0", (2, 4, 3), 255)
    grid = dd.load("mine", data_dir=data)
    np.testing.assert_array_equal(grid.images(np.arange(24)), PICTURES)
    assert grid.present is None
    assert dd.is_prepared("mine", data_dir=data)
    assert dd.verify("mine", data_dir=data).fingerprint == grid.fingerprint
    recomputed = dd.FactorGrid(PICTURES, grid.space, name="mine", source="imported")
    assert grid.fingerprint == recomputed.fingerprint


@given(present=st.sets(st.integers(0, 23), min_size=2))
def test_any_subset_of_a_grid_comes_back(tmp_path_factory: pytest.TempPathFactory, present: set[int]) -> None:
    rows = sorted(present)
    kept = FACTORS[rows]
    if not all(len(np.unique(column)) > 1 for column in kept.T):
        kept = kept[:, [len(np.unique(column)) > 1 for column in kept.T]]
    here = tmp_path_factory.mktemp("subset")
    file = arrays(here / "some.npz", images=PICTURES[rows], factors=kept)
    if len(np.unique(kept, axis=0)) < len(rows):
        with pytest.raises(dd.DataError, match="have the same factors"):
            dd.import_data("some", file, data_dir=here)
        return
    dd.import_data("some", file, data_dir=here)
    grid = dd.load("some", data_dir=here)
    ranked = np.stack([np.unique(column, return_inverse=True)[1] for column in kept.T], axis=1)
    np.testing.assert_array_equal(grid.images(grid.index(ranked)), PICTURES[rows])
    whole = len(rows) == grid.space.size
    assert (grid.present is None) == whole
    if not whole:
        assert sorted(grid.available) == sorted(grid.index(ranked))


def test_the_data_module_trains_on_what_is_there(tmp_path: Path) -> None:
    dd.import_data("mine", folder(tmp_path / "mine", range(20)), data_dir=tmp_path)
    module = dd.DisentDataModule("mine", data_dir=tmp_path, batch_size=8)
    module.prepare_data()
    module.setup("fit")
    batch = next(iter(module.train_dataloader()))
    assert batch.images.shape == (8, 3, 16, 16)


@pytest.mark.parametrize(
    ("images", "seen", "scale"),
    [
        (PICTURES[..., 0] > 127, lambda x: x.astype(np.uint8), 1),
        ((PICTURES[..., :1] > 127).astype(np.int64), lambda x: x, 1),
        ((PICTURES[:, :15, :15, :1] > 127).astype(np.uint8), lambda x: x * 255, 255),
        (PICTURES[..., 0].astype(np.uint16) * 257, lambda x: x // 257, 255),
        (PICTURES.astype(np.int32), lambda x: x, 255),
        (PICTURES.astype(np.float32) / 255, lambda x: np.rint(x * 255), 255),
        (np.ascontiguousarray(PICTURES.transpose(0, 3, 1, 2)), lambda x: x.transpose(0, 2, 3, 1), 255),
    ],
    ids=["bool", "0 and 1", "odd size", "16 bit", "int32", "real", "channels first"],
)
def test_kinds_of_pixels(tmp_path: Path, images: np.ndarray, seen: Any, scale: int) -> None:
    file = arrays(tmp_path / "mine.npz", images=images, factors=FACTORS)
    dd.import_data("mine", file, data_dir=tmp_path)
    grid = dd.load("mine", data_dir=tmp_path)
    wanted = seen(images)
    np.testing.assert_array_equal(grid.images(np.arange(24)), wanted.reshape(24, *wanted.shape[1:3], -1))
    assert grid.scale == scale


def test_16_bit_pictures_and_palettes(tmp_path: Path) -> None:
    home = folder(tmp_path / "mine", pictures=PICTURES[..., 0])
    for row in range(24):
        Image.fromarray(PICTURES[row, ..., 0].astype(np.uint16) * 257).save(home / f"{row}.png")
    assert dd.import_data("sixteen", home, data_dir=tmp_path).notes == ("images are stored in 8 bit, 65,535 as 255",)
    np.testing.assert_array_equal(dd.load("sixteen", data_dir=tmp_path).images([5]), PICTURES[[5], ..., :1])
    for row in range(24):
        Image.fromarray(PICTURES[row] & 128).convert("P", palette=Image.Palette.ADAPTIVE).save(home / f"{row}.png")
    dd.import_data("palette", home, data_dir=tmp_path)
    np.testing.assert_array_equal(dd.load("palette", data_dir=tmp_path).images([5]), PICTURES[[5]] & 128)


def test_bins_cut_a_continuous_factor(tmp_path: Path) -> None:
    sizes = np.linspace(2.0, 4.0, 24)
    file = arrays(tmp_path / "mine.npz", images=PICTURES, factors=np.stack([np.arange(24) % 2, sizes], 1))
    made = dd.import_data("mine", file, data_dir=tmp_path, factor_names=["side", "size"], bins={"size": 4})
    assert made.values["size"] == ["2..2.5", "2.5..3", "3..3.5", "3.5..4"]
    assert made.notes == ("16 images share their combination of bins with an earlier one and are left out",)
    grid = dd.load("mine", data_dir=tmp_path)
    np.testing.assert_array_equal(grid.images(grid.index([[0, 0], [1, 0], [0, 3]])), PICTURES[[0, 1, 18]])


def test_a_factor_that_never_changes_is_left_out(tmp_path: Path) -> None:
    factors = np.concatenate([np.ones((24, 1)), FACTORS], axis=1)
    file = arrays(tmp_path / "d.npz", imgs=PICTURES, latents_classes=factors, factor_names=["color", "a", "b", "c"])
    made = dd.import_data("mine", file, data_dir=tmp_path)
    assert made.info.space.names == ("a", "b", "c")
    assert made.notes == ("color is 1 everywhere and is left out",)


def frames(path: Path) -> None:
    first, *others = [Image.fromarray(picture) for picture in PICTURES[:3]]
    first.save(path, save_all=True, append_images=others)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("RGBA", {"images": np.zeros((24, 16, 16, 4), np.uint8), "factors": FACTORS}, "four channels (RGBA?)"),
    ("not square", {"images": PICTURES[:, :12], "factors": FACTORS}, "12 x 16; cut or pad them to squares"),
    ("two dimensions", {"images": PICTURES[:, 0, 0], "factors": FACTORS}, "images must be (n, h, w)"),
    ("no factors", {"images": PICTURES}, "holds no array called factors"),
    ("no images", {"pixels": PICTURES, "factors": FACTORS}, "holds no array called images"),
    ("other number", {"images": PICTURES[:9], "factors": FACTORS}, "a row of factors for each of 9 images, got 24"),
    ("the same factors", {"images": PICTURES, "factors": FACTORS[:, :2]}, "image 0 and image 1 have the same factors"),
    ("dark 16 bit", {"images": PICTURES.astype(np.uint16), "factors": FACTORS}, "scale them so that white is 65535"),
    ("real to 255", {"images": PICTURES.astype(float), "factors": FACTORS}, "real numbers of 0..1"),
    ("negative", {"images": PICTURES.astype(np.int16) - 9, "factors": FACTORS}, "from -9 to 246; bring them to"),
    ("NaN image", {"images": PICTURES * np.nan, "factors": FACTORS}, "images are float64 from nan"),
    ("NaN factor", {"images": PICTURES, "factors": np.where(FACTORS == 3, np.nan, FACTORS)}, "holds nan in row 9"),
    ("no two values", {"images": PICTURES[:1], "factors": FACTORS[:1]}, "no factor takes two values"),
]


@pytest.mark.parametrize(("held", "said"), [pytest.param(*rest, id=name) for name, *rest in BAD])
@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_arrays_that_are_refused(tmp_path: Path, kind: str, held: dict[str, Any], said: str) -> None:
    file = arrays(tmp_path / f"mine.{kind}", **held)
    with pytest.raises(dd.DataError) as error:
        dd.import_data("mine", file, data_dir=tmp_path)
    assert said in str(error.value)
    assert str(file) in str(error.value) or "factor" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda home: frames(home / "4.png"), "4.png is animated (3 frames)"),
        (lambda home: Image.fromarray(PICTURES[4]).convert("RGBA").save(home / "4.png"), "4.png has transparency"),
        (lambda home: Image.fromarray(PICTURES[4]).convert("CMYK").save(home / "4.png", "TIFF"), "is of kind CMYK"),
        (lambda home: Image.fromarray(PICTURES[4][:9]).save(home / "4.png"), "4.png is 9 x 16 pixels RGB of 8 bit"),
        (lambda home: Image.fromarray(PICTURES[4][..., 0]).save(home / "4.png"), "16 x 16 pixels grey of 8 bit"),
        (lambda home: (home / "4.png").unlink(), "4.png is not there, though the table names it"),
        (lambda home: (home / "4.png").write_bytes(b"no picture"), "4.png cannot be read as a picture"),
        (lambda home: (home / "factors.csv").unlink(), "factors.csv cannot be read"),
        (lambda home: (home / "factors.csv").write_text("file\n4.png\n"), "has no column for a factor"),
        (lambda home: (home / "factors.csv").write_text("file,a\n4.png\n"), "line 2 is incomplete"),
    ],
    ids=["animated", "RGBA", "CMYK", "size", "grey", "missing", "damaged", "no table", "no factor", "cut off"],
)
def test_folders_that_are_refused(tmp_path: Path, spoil: Any, said: str) -> None:
    home = folder(tmp_path / "pictures", range(24))
    spoil(home)
    with pytest.raises(dd.DataError) as error:
        dd.import_data("mine", home, data_dir=tmp_path)
    assert said in str(error.value)
    assert "mine" not in dd.names(tmp_path)


def test_names_bins_and_files_that_are_refused(tmp_path: Path) -> None:
    file = arrays(tmp_path / "mine.npz", images=PICTURES, factors=FACTORS)
    for name, options, said in [
        ("dsprites", {}, "there is a data set dsprites already"),
        ("Mine/../x", {}, "should consist of a-z"),
        ("mine", {"bins": {"hue": 3}}, "there is no factor 'hue'; there are factor 1, factor 2, factor 3"),
        ("mine", {"bins": {"factor 1": 1}}, "bins: from 2 to 1000, not 1"),
        ("mine", {"factor_names": ["a", "b"]}, "3 columns, and there are 2 names"),
    ]:
        with pytest.raises(ValueError, match=said.replace("(", r"\(")):
            dd.import_data(name, file, data_dir=tmp_path, **options)
    for path, said in [("gone.npz", "cannot be read"), ("gone", "is not there"), (__file__, "neither an .npz or .h5")]:
        with pytest.raises(dd.DataError, match=said):
            dd.import_data("mine", tmp_path / path, data_dir=tmp_path)
    dd.import_data("mine", file, data_dir=tmp_path)
    with pytest.raises(ValueError, match="mine is imported already; delete"):
        dd.import_data("mine", file, data_dir=tmp_path)


def test_archives_that_are_none_or_damaged_are_one_line(tmp_path: Path) -> None:
    whole = arrays(tmp_path / "whole.npz", images=PICTURES, factors=FACTORS).read_bytes()
    np.save(tmp_path / "single.npy", PICTURES)
    np.savez(tmp_path / "objects.npz", images=np.array([{}, {}], dtype=object), factors=FACTORS)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    (tmp_path / "damaged.npz").write_bytes(damaged)
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "single.npz").write_bytes((tmp_path / "single.npy").read_bytes())
    for name in ("objects", "damaged", "half", "text", "empty", "single"):
        with pytest.raises(dd.DataError, match=rf"{name}\.npz cannot be read as an \.npz file") as error:
            dd.import_data("mine", tmp_path / f"{name}.npz", data_dir=tmp_path)
        assert "\n" not in str(error.value)


def test_words_cannot_be_cut(tmp_path: Path) -> None:
    with pytest.raises(dd.DataError, match="shape holds words, which cannot be cut"):
        dd.import_data("mine", folder(tmp_path / "mine"), data_dir=tmp_path, bins={"shape": 2})


def test_an_import_that_is_cut_off_leaves_no_data_set_and_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = arrays(tmp_path / "mine.npz", images=PICTURES[:20], factors=FACTORS[:20])
    whole = importing.write_whole

    def killed(path: Path, content: bytes) -> None:
        if path.name == importing.RECORD:
            raise KeyboardInterrupt
        whole(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(importing, "write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            dd.import_data("mine", file, data_dir=tmp_path)
    assert "mine" not in dd.names(tmp_path)
    other = arrays(tmp_path / "other.npz", images=PICTURES, factors=FACTORS)
    dd.import_data("mine", other, data_dir=tmp_path)
    np.testing.assert_array_equal(dd.load("mine", data_dir=tmp_path).images(np.arange(24)), PICTURES)


@pytest.fixture
def incomplete(tmp_path: Path) -> Path:
    dd.import_data("mine", folder(tmp_path / "mine.d", range(20)), data_dir=tmp_path)
    return tmp_path / "mine"


@pytest.mark.parametrize("name", ["imported.npy", importing.NUMBERS])
def test_damage_is_noticed(incomplete: Path, name: str) -> None:
    content = bytearray((incomplete / name).read_bytes())
    content[-3] ^= 1
    (incomplete / name).write_bytes(content)
    with pytest.raises(dd.DataError, match="is damaged"):
        dd.load("mine", data_dir=incomplete.parent)


def test_a_record_that_cannot_be_read_is_said_and_hides_nothing_else(incomplete: Path) -> None:
    record = json.loads((incomplete / importing.RECORD).read_text())
    for broken in ("{", "[]", json.dumps({**record, "format": 9}), json.dumps({**record, "shape": [1]})):
        (incomplete / importing.RECORD).write_text(broken)
        with pytest.warns(UserWarning, match=r"dataset.json cannot be read"):
            assert "mine" not in dd.names(incomplete.parent)
        with pytest.warns(UserWarning, match=r"dataset.json cannot be read"):
            assert dd.info("dsprites", incomplete.parent).name == "dsprites"


def test_a_registered_name_wins_over_nothing_silently(incomplete: Path, own_data_sets: None) -> None:
    @dd.register_dataset(
        "mine", title="M", factors=dd.FactorSpace(("a",), (2,)), shape=(8, 8, 1), licence="CC0", citation="me"
    )
    def mine(request: dd.Request) -> dd.FactorGrid:
        raise AssertionError

    with pytest.raises(ValueError, match="'mine' is registered, and another was imported under its name; delete"):
        dd.names(incomplete.parent)
