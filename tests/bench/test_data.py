"""What `disent-bench data` says about data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets.originals.download import obtain
from disent_datasets.originals.files import RemoteFile
from disent_datasets.storage.stored import Origin, stored_grid

from disent_bench.cli import data_sets
from disent_bench.cli.main import main

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)


def register(name: str, *sources: str, **more: Any) -> Any:
    """Register a data set of six images."""
    space = dd.FactorSpace(("a", "b"), (2, 3))
    common = {"title": name.title(), "shape": (4, 4, 3), "licence": "CC0", "citation": "Nobody, 2026"}
    return dd.register_dataset(name, factors=space, sources=sources, **common, **more)


@pytest.fixture(autouse=True)
def two_sources(own_data_sets: None) -> None:
    """A data set whose official images differ from the drawn ones in two pixels of image 4."""
    official = IMAGES.copy()
    official[4, 0, :2, 0] ^= 1

    official_only = {"needs_files": ("official",), "page": "https://double.example"}

    @register("double", "drawn", "official", nuisance="the weather", **official_only)
    def double(request: dd.Request) -> dd.FactorGrid:
        def blocks() -> Iterator[np.ndarray]:
            yield IMAGES if request.source == "drawn" else official

        return stored_grid(request, lambda: Origin(blocks, "drawing"), rebuild=False)


def test_listing_says_what_is_there_and_whose_it_is(tmp_path: Path) -> None:
    data_sets.prepare("double", tmp_path)
    text = data_sets.listing(tmp_path)
    for line in (
        "double: Double, 6 images 4x4x3",
        "  factors: a 2, b 3",
        "  sampled anew for each batch: the weather",
        "  sources: drawn (stored, 0 MB), official (not yet prepared, 0 MB; needs files from https://double.example)",
        "  licence: CC0",
        "  cite:    Nobody, 2026",
        f"data folder: {tmp_path}",
    ):
        assert line in text.splitlines()
    for name in dd.names():
        assert f"\n{name}: " in f"\n{text}"


def test_verify_checks_every_source_and_compares_two(tmp_path: Path) -> None:
    with pytest.raises(dd.DataError, match=r"double \(drawn\) is not prepared"):
        data_sets.verify("double", tmp_path)
    data_sets.prepare("double", tmp_path)
    assert data_sets.verify("double", tmp_path).startswith("double (drawn) is intact: 6 images, SHA-256 ")
    data_sets.prepare("double", tmp_path, "official")
    lines = data_sets.verify("double", tmp_path).splitlines()
    assert [line[:20] for line in lines[:2]] == ["double (drawn) is in", "double (official) is"]
    assert lines[2] == "double: drawn and official: 2 pixels differ in 1 images (at most 2 in one); first: 4"
    assert len(data_sets.verify("double", tmp_path, "official").splitlines()) == 1


def test_verify_does_not_pass_over_a_damaged_source(tmp_path: Path) -> None:
    data_sets.prepare("double", tmp_path)
    data_sets.prepare("double", tmp_path, "official")
    (tmp_path / "double" / "official.npy").write_bytes(b"short")
    with pytest.raises(dd.DataError, match=r"official\.npy is damaged"):
        data_sets.verify("double", tmp_path)


def test_what_is_on_demand_is_said_to_be_nothing_to_store_or_verify(tmp_path: Path) -> None:
    listing = data_sets.listing(tmp_path).splitlines()
    sources = listing[[line.split(":")[0] for line in listing].index("mpi3d_lookalike") + 2]
    assert sources == ("  sources: rendered (made on demand, nothing to store), stored (not yet prepared, 12,740 MB)")
    meaning = (
        "each image is made when it is asked for, and none is stored; to store them all once (12,740 MB): "
        "disent-bench data prepare mpi3d_lookalike --source stored"
    )
    assert data_sets.prepare("mpi3d_lookalike", tmp_path).endswith(f"is ready: 1,036,800 images; {meaning}")
    for chosen in (None, "rendered"):
        found = data_sets.verify("mpi3d_lookalike", tmp_path, chosen)
        assert found == f"mpi3d_lookalike (rendered): nothing to verify; {meaning}"
    for name, chosen in (("mpi3d_lookalike", "stored"), ("shapes3d_lookalike", None)):
        with pytest.raises(dd.DataError, match=r"lookalike \(stored\) is not prepared in"):
            data_sets.verify(name, tmp_path, chosen)
    assert data_sets.verify("shapes3d_lookalike", tmp_path, "rendered").startswith(
        "shapes3d_lookalike (rendered): nothing"
    )
    assert not list(tmp_path.iterdir())


def test_a_stored_source_is_verified_though_another_is_on_demand(tmp_path: Path) -> None:
    @register("demanded", "rendered", "stored", on_demand=["rendered"])
    def demanded(request: dd.Request) -> dd.FactorGrid:
        return stored_grid(request, lambda: Origin(lambda: [IMAGES], "rendering"), rebuild=True)

    data_sets.prepare("demanded", tmp_path, "stored")
    assert data_sets.verify("demanded", tmp_path).startswith("demanded (stored) is intact: 6 images")
    assert "nothing to verify" in data_sets.verify("demanded", tmp_path, "rendered")


FILE = b"".join(image.tobytes() for image in IMAGES)


@pytest.fixture
def far() -> None:
    """A data set made of one file of others, which can be had nowhere."""

    @register("far", "official", needs_files=["official"], page="https://far.example")
    def factory(request: dd.Request) -> dd.FactorGrid:
        def origin() -> Origin:
            path = obtain(request, [RemoteFile("far.bin", (), (f"sha256:{hashlib.sha256(FILE).hexdigest()}",))])
            return Origin(lambda: [np.fromfile(path, np.uint8).reshape(IMAGES.shape)], "converting")

        return stored_grid(request, origin, rebuild=False)


@pytest.mark.usefixtures("far")
def test_a_file_is_given_by_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.bin"
    mine.write_bytes(FILE)
    mine.chmod(0o444)
    before = mine.stat()
    assert main(["data", "prepare", "far", "--data-dir", str(tmp_path / "data"), "--file", str(mine)]) == 0
    assert capsys.readouterr().out.startswith("far (official) is ready: 6 images, SHA-256 ")
    np.testing.assert_array_equal(dd.load("far", data_dir=tmp_path / "data").images(np.arange(6)), IMAGES)
    assert mine.read_bytes() == FILE
    assert mine.stat().st_mtime_ns == before.st_mtime_ns
    assert not list((tmp_path / "data").rglob("*.bin"))


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "far", "--file", "wrong.bin"], "wrong.bin is not the official file: sha256 "),
        (["prepare", "far", "--file", "wrong.txt"], "wrong.txt is not a file of Far: need far.bin"),
        (["prepare", "far", "--file", "mine.bin", "--file", "wrong.bin"], "are both taken for far.bin; give one"),
        (["prepare", "far", "--file", "nowhere.bin"], "files: nowhere.bin is not there"),
        (["prepare", "far", "--file", "."], "files: . is not a file"),
        (["prepare", "far", "--file"], "--file"),
        (["prepare", "double", "--file", "mine.bin"], "needs no file; its source 'official' does"),
        (["prepare", "toy_grid", "--file", "mine.bin"], "files: toy_grid (drawn) needs no file"),
        (["verify", "far", "--file", "mine.bin"], "--file goes with data prepare"),
        (["list", "--file", "mine.bin"], "--file goes with data prepare"),
    ],
)
def test_a_file_that_is_of_no_use_is_one_line_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in (("mine.bin", FILE), ("wrong.bin", FILE[::-1]), ("wrong.txt", FILE)):
        Path(name).write_bytes(content)
    assert main(["data", *arguments, "--data-dir", "data"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert not list(Path("data").rglob("*.npy"))


def test_every_data_set_says_whose_it_is() -> None:
    for name in dd.names():
        info = dd.info(name)
        assert info.licence, name
        assert info.citation, name
        assert info.page or not info.needs_files, name


def test_import_is_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factors = [[a, b] for a in range(2) for b in range(3)]
    np.savez(tmp_path / "six.npz", images=IMAGES, factors=factors, factor_names=["side", "hue"])
    given = ["data", "import", "six", "--file", str(tmp_path / "six.npz"), "--data-dir", str(tmp_path)]
    assert main(given) == 0
    assert capsys.readouterr().out.splitlines() == [
        "six is imported: 6 images 4x4x3",
        "  side: 2 values, 0, 1",
        "  hue: 3 values, 0, 1, 2",
        f"use it as any other: disent-bench run --method beta_vae --dataset six --data-dir {tmp_path}",
    ]
    assert "six: six, 6 images 4x4x3\n" in data_sets.listing(tmp_path)
    assert main(["data", "verify", "six", "--data-dir", str(tmp_path)]) == 0
    assert "six (imported) is intact" in capsys.readouterr().out
    for changed, said in [
        (given, "six is imported already"),
        ([*given[:2], "seven", *given[3:], "--bins", "hue"], "--bins takes FACTOR=NUMBER, such as size=10, not 'hue'"),
        ([*given[:2], "seven", *given[5:]], "data import takes one --file"),
        (["data", "verify", "six", "--licence", "CC0"], "--licence goes with data import, not with data verify"),
    ]:
        assert main(changed) == 2
        assert said in capsys.readouterr().err


def test_what_is_imported_is_trained_on_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64), dtype=np.uint8)
    np.savez(tmp_path / "five.npz", images=images, factors=[[0, 0], [0, 1], [1, 0], [1, 1], [2, 1]])
    elsewhere = ["--data-dir", str(tmp_path)]
    assert main(["data", "import", "five", "--file", str(tmp_path / "five.npz"), *elsewhere]) == 0
    assert "  1 of 6 combinations have no image" in capsys.readouterr().out
    settings = ["steps=2", "batch_size=4", "scores.scores=[mig]", "scores.num_train=20", "scores.num_test=20"]
    given = ["run", "--method", "beta_vae", "--dataset", "five", "--runs", str(tmp_path / "runs"), "--set", *settings]
    assert main([*given, *elsewhere]) == 0
    assert main(given) == 2
    assert "unknown data set 'five'" in capsys.readouterr().err
