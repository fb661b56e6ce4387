"""What `disent-bench data` says about data sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets import source
from disent_datasets.cache import Origin, stored_grid

from disent_bench import data

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def two_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set whose official images differ from the drawn ones in two pixels of image 4."""
    monkeypatch.setattr(source, "_REGISTRY", dict(source._REGISTRY))
    official = IMAGES.copy()
    official[4, 0, :2, 0] ^= 1

    @dd.register_dataset(
        "double",
        title="Double",
        factors=dd.FactorSpace(("a", "b"), (2, 3)),
        shape=(4, 4, 3),
        licence="CC0",
        citation="Nobody, 2026",
        sources=("drawn", "official"),
        needs_files=("official",),
        page="https://double.example",
        nuisance="the weather",
    )
    def double(request: dd.Request) -> dd.FactorGrid:
        def blocks() -> Iterator[np.ndarray]:
            yield IMAGES if request.source == "drawn" else official

        return stored_grid(request, lambda: Origin(blocks, "drawing"), rebuild=False)


def test_listing_says_what_is_there_and_whose_it_is(tmp_path: Path) -> None:
    data.prepare("double", tmp_path)
    text = data.listing(tmp_path)
    for line in (
        "double: Double, 6 images 4x4x3",
        "  factors: a 2, b 3",
        "  drawn anew for each batch: the weather",
        "  sources: drawn (stored, 0 MB), official (not stored; needs files from https://double.example)",
        "  licence: CC0",
        "  cite:    Nobody, 2026",
        f"data folder: {tmp_path}",
    ):
        assert line in text.splitlines()
    for name in dd.names():
        assert f"\n{name}: " in f"\n{text}"


def test_verify_checks_every_source_and_compares_two(tmp_path: Path) -> None:
    with pytest.raises(dd.DataError, match=r"double \(drawn\) is not prepared"):
        data.verify("double", tmp_path)
    data.prepare("double", tmp_path)
    assert data.verify("double", tmp_path).startswith("double (drawn) is intact: 6 images, SHA-256 ")
    data.prepare("double", tmp_path, "official")
    lines = data.verify("double", tmp_path).splitlines()
    assert [line[:20] for line in lines[:2]] == ["double (drawn) is in", "double (official) is"]
    assert lines[2] == "double: drawn and official: 2 pixels differ in 1 images (at most 2 in one); first: 4"
    assert len(data.verify("double", tmp_path, "official").splitlines()) == 1


def test_verify_does_not_pass_over_a_damaged_source(tmp_path: Path) -> None:
    data.prepare("double", tmp_path)
    data.prepare("double", tmp_path, "official")
    (tmp_path / "double" / "official.npy").write_bytes(b"short")
    with pytest.raises(dd.DataError, match=r"official\.npy is damaged"):
        data.verify("double", tmp_path)


def test_every_data_set_says_whose_it_is() -> None:
    for name in dd.names():
        info = dd.info(name)
        assert info.licence, name
        assert info.citation, name
        assert info.page or not info.needs_files, name
