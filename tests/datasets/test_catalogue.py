from __future__ import annotations

from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets.progress import track
from disent_datasets.sets import toy_grid


def register_mine(images: np.ndarray, name: str = "mine") -> None:
    @dd.register_dataset(
        name,
        title="Mine",
        factors=dd.FactorSpace(("a", "b"), (2, 3)),
        shape=(4, 4, 3),
        licence="CC0",
        citation="me",
    )
    def mine(request: dd.Request) -> dd.FactorGrid:
        return dd.FactorGrid(images, request.info.space, name=request.info.name, source=request.source)


@pytest.mark.usefixtures("own_data_sets")
def test_register_load_and_describe(tmp_path: Path) -> None:
    images = np.arange(288, dtype=np.uint8).reshape(6, 4, 4, 3)
    register_mine(images)
    np.testing.assert_array_equal(dd.load("mine", data_dir=tmp_path).images([5]), images[5:])
    assert "mine" in dd.names()
    assert (dd.info("mine").title, dd.info("mine").sources) == ("Mine", ("memory",))
    register_mine(images)  # the same function again, as in a notebook


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [("ambiguous", ["c"]), ("needs_files", ["far"]), ("on_demand", ["far"]), ("fingerprints", {"far": "0"})],
)
def test_registering_names_factors_and_sources_that_exist(argument: str, wrong: Any) -> None:
    space = dd.FactorSpace(("a", "b"), (2, 3))
    with pytest.raises(ValueError, match=rf"^{argument}: (c is not among a, b|far is not among memory)$"):
        dd.register_dataset("x", title="", factors=space, shape=(4, 4, 3), licence="", citation="", **{argument: wrong})


@pytest.mark.usefixtures("own_data_sets")
def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="name: data set 'toy_grid' is already registered by disent_datasets"):
        register_mine(np.zeros((6, 4, 4, 3), np.uint8), "toy_grid")


def test_unknown_names_and_sources_say_what_would_work(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^unknown data set 'dsprite', did you mean 'dsprites'\? known: .*dsp"):
        dd.load("dsprite", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"^unknown data set 'qqq'; known: .*dsprites, .*toy_grid"):
        dd.info("qqq")
    with pytest.raises(ValueError, match="source: data set 'dsprites' has no source 'drwn'; known: drawn, official"):
        dd.load("dsprites", data_dir=tmp_path, source="drwn")


def test_files_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    for name, message in (
        ("dsprites", r"files: dsprites \(drawn\) needs no file; its source 'official' does"),
        ("toy_grid", r"files: toy_grid \(drawn\) needs no file"),
        ("shapes3d", f"files: {tmp_path}/mine.h5 is not there"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            dd.load(name, data_dir=tmp_path, files=[tmp_path / "mine.h5"])
    with pytest.raises(ValueError, match=f"files: {tmp_path} is not a file"):
        dd.prepare("shapes3d", data_dir=tmp_path, files=[tmp_path])
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("own_data_sets")
def test_of_what_is_on_demand_nothing_can_be_verified(tmp_path: Path) -> None:
    register_mine(np.zeros((6, 4, 4, 3), np.uint8))
    assert dd.info("mine").on_demand == ("memory",)
    assert dd.info("toy_grid").on_demand == ()
    for name, chosen in (("mine", None), ("mpi3d_lookalike", None), ("shapes3d_lookalike", "rendered")):
        with pytest.raises(ValueError, match=rf"nothing is stored of {name} \(.*so there is nothing to verify"):
            dd.verify(name, data_dir=tmp_path, source=chosen)
        assert not dd.is_prepared(name, data_dir=tmp_path, source=chosen)


def test_toy_grid_is_part_of_dsprites(tmp_path: Path) -> None:
    grid = dd.load("toy_grid", data_dir=tmp_path)
    assert (len(grid), grid.shape, grid.scale) == (4608, (64, 64, 1), 1)
    assert grid.space.sizes == (3, 3, 8, 8, 8)
    assert grid.space.names == dd.dsprites.SPACE.names
    factors = toy_grid.sprite_factors()
    assert factors[grid.index([[2, 1, 3, 0, 7]])].tolist() == [[2, 3, 15, 0, 31]]
    drawn = dd.dsprites.draw(factors)[..., None]
    np.testing.assert_array_equal(grid.images(np.arange(4608)), drawn)
    assert 0.03 < drawn.mean() < 0.06


def test_verify_and_is_prepared(tmp_path: Path) -> None:
    assert not dd.is_prepared("toy_grid", data_dir=tmp_path)
    with pytest.raises(dd.DataError, match=r"toy_grid \(drawn\) is not prepared in"):
        dd.verify("toy_grid", data_dir=tmp_path)
    dd.prepare("toy_grid", data_dir=tmp_path)
    assert dd.is_prepared("toy_grid", data_dir=tmp_path)
    assert dd.verify("toy_grid", data_dir=tmp_path).fingerprint == dd.load("toy_grid", data_dir=tmp_path).fingerprint
    stored = tmp_path / "toy_grid" / "drawn.npy"
    content = bytearray(stored.read_bytes())
    content[100_000] ^= 4
    stored.write_bytes(content)
    with pytest.raises(dd.DataError, match="SHA-256"):
        dd.verify("toy_grid", data_dir=tmp_path)
    with pytest.warns(UserWarning, match="checksums of toy_grid .* are not compared"):
        dd.load("toy_grid", data_dir=tmp_path, verify=False)
    with pytest.warns(UserWarning, match="damaged.*making it again"):
        dd.load("toy_grid", data_dir=tmp_path)
    dd.verify("toy_grid", data_dir=tmp_path)


def test_where_the_data_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISENT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert dd.data_folder() == tmp_path / "cache" / "disent-bench"
    (tmp_path / "data").mkdir()
    assert dd.data_folder() == Path("data")
    monkeypatch.setenv("DISENT_DATA", str(tmp_path))
    assert dd.data_folder() == tmp_path
    assert dd.data_folder("elsewhere") == Path("elsewhere")
    dd.prepare("toy_grid")
    assert (tmp_path / "toy_grid" / "drawn.npy").exists()


def test_progress_is_shown_on_stderr_only_if_it_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = [np.zeros(3), np.zeros(4)]
    assert list(track(iter(blocks), 7, "drawing", patience=100)) == blocks
    assert capsys.readouterr() == ("", "")
    assert list(track(iter(blocks), 7, "drawing", patience=-1)) == blocks
    out, err = capsys.readouterr()
    assert out == ""
    assert "drawing" in err
    assert "7/7" in err


@pytest.mark.slow
def test_dsprites_by_name(tmp_path: Path) -> None:
    grid = dd.load("dsprites", data_dir=tmp_path)
    assert grid.fingerprint == dd.dsprites.FINGERPRINT
    factors = grid.space.sample(1000, np.random.default_rng(0))
    np.testing.assert_array_equal(grid.images(grid.index(factors))[..., 0], dd.dsprites.draw(factors))
