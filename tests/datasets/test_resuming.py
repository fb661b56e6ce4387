"""A preparation that was cut off goes on where its journal says, and ends with what an uninterrupted one stores."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
from disent_datasets import DataError, cache, writing
from disent_datasets.cache import Origin, stored_grid
from disent_datasets.info import Request
from disent_datasets.journal import Journal, Note

Images = Callable[[Request], np.ndarray]
STARTS = range(0, 60, 9)
HALF = 27
"""Images on disk when a preparation is cut off here: three of seven blocks."""


def make(
    request: Request, images: np.ndarray, made: list[int] | None = None, *, verified: bool = True
) -> dd.FactorGrid:
    """Store the images block by block; ``made`` gets the number of each block's first image."""

    def blocks(first: int = 0) -> Iterator[np.ndarray]:
        assert 0 <= first < 60
        for start in range(first, len(images), 9):
            if made is not None:
                made.append(start)
            yield images[start : start + 9]

    return stored_grid(request, lambda: Origin(blocks, "drawing", verified, resumable=True), rebuild=True)


def content(request: Request) -> tuple[set[str], bytes, dict[str, Any]]:
    """What is left of a preparation, but for the times that it names."""
    names = {path.name for path in request.folder.iterdir()} - {".drawn.lock"}
    record = json.loads((request.folder / "drawn.json").read_text())
    return names, (request.folder / "drawn.npy").read_bytes(), record | {"mtime_ns": None}


@pytest.fixture
def whole(request_tiny: Request, tiny_images: Images) -> tuple[set[str], bytes, dict[str, Any]]:
    """What an uninterrupted preparation leaves."""
    elsewhere = dataclasses.replace(request_tiny, data_dir=request_tiny.data_dir / "elsewhere")
    make(elsewhere, tiny_images(request_tiny))
    return content(elsewhere)


@pytest.fixture
def half(request_tiny: Request, tiny_images: Images, cut_off: Any) -> Path:
    """A preparation that was cut off; its unfinished file."""
    with cut_off(HALF):
        make(request_tiny, tiny_images(request_tiny))
    return request_tiny.folder / ".drawn.npy.tmp"


@pytest.mark.parametrize("finished", range(1, 8))
def test_the_result_is_that_of_an_uninterrupted_preparation(
    request_tiny: Request, tiny_images: Images, whole: Any, cut_off: Any, finished: int
) -> None:
    images, made = tiny_images(request_tiny), list[int]()
    with cut_off([*STARTS[1:], 60][finished - 1]):
        make(request_tiny, images, made)
    assert made == list(STARTS[:finished])
    assert not (request_tiny.folder / "drawn.npy").exists()
    made.clear()
    np.testing.assert_array_equal(make(request_tiny, images, made).images(np.arange(60)), images)
    assert made == list(STARTS[finished - 1 :]), "the last finished block is made again, the others are not"
    assert content(request_tiny) == whole


@pytest.mark.usefixtures("half")
def test_cut_off_again_and_again(request_tiny: Request, tiny_images: Images, whole: Any, cut_off: Any) -> None:
    made: list[int] = []
    for images in (36, 54):
        with cut_off(images):
            make(request_tiny, tiny_images(request_tiny), made)
    make(request_tiny, tiny_images(request_tiny), made)
    assert made == [18, 27, 27, 36, 45, 45, 54]
    assert content(request_tiny) == whole


def test_what_was_written_after_the_last_note_is_dropped(
    request_tiny: Request, tiny_images: Images, whole: Any, half: Path
) -> None:
    with half.open("ab") as file:
        file.write(b"half a block that may be anything")
    make(request_tiny, tiny_images(request_tiny), made := [])
    assert made == list(STARTS[2:])
    assert content(request_tiny) == whole


def test_killed_while_a_note_was_written(
    request_tiny: Request, tiny_images: Images, whole: Any, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "NOTE_EVERY", 1000)
    half.with_name(".drawn.journal.tmp").write_text('{"about": {')
    make(request_tiny, tiny_images(request_tiny), made := [])
    assert made == list(STARTS[2:])
    assert content(request_tiny) == whole


def flip(path: Path, position: int) -> None:
    spoilt = bytearray(path.read_bytes())
    spoilt[position] ^= 1
    path.write_bytes(spoilt)


def change_note(path: Path, **changes: Any) -> None:
    journal = path.with_name(".drawn.journal")
    journal.write_text(json.dumps(json.loads(journal.read_text()) | changes))


SPOIL: dict[str, Callable[[Path], object]] = {
    "first byte": lambda path: flip(path, 0),
    "pixel": lambda path: flip(path, 200),
    "last byte": lambda path: flip(path, -1),
    "truncated": lambda path: os.truncate(path, path.stat().st_size - 1),
    "empty": lambda path: os.truncate(path, 0),
    "no journal": lambda path: path.with_name(".drawn.journal").unlink(),
    "no JSON": lambda path: path.with_name(".drawn.journal").write_text("{"),
    "a list": lambda path: path.with_name(".drawn.journal").write_text("[]"),
    "keys missing": lambda path: path.with_name(".drawn.journal").write_text("{}"),
    "other images": lambda path: change_note(path, about={"format": 0}),
    "more than there is": lambda path: change_note(path, made=36),
    "less than noted": lambda path: change_note(path, made=18),
    "more than all": lambda path: change_note(path, made=2**40),
    "no last block": lambda path: change_note(path, last=0),
    "another last block": lambda path: change_note(path, last=8),
    "a last block before the first": lambda path: change_note(path, last=28),
    "a number as text": lambda path: change_note(path, made="27"),
}


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
def test_what_does_not_fit_is_made_from_the_start(
    request_tiny: Request, tiny_images: Images, whole: Any, half: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(half)
    with pytest.warns(UserWarning, match=r"an earlier preparation was cut off; starting again"):
        make(request_tiny, tiny_images(request_tiny), made := [])
    assert made[-7:] == list(STARTS)
    assert content(request_tiny) == whole


def test_a_journal_without_its_file_is_nothing(
    request_tiny: Request, tiny_images: Images, whole: Any, half: Path
) -> None:
    half.unlink()
    make(request_tiny, tiny_images(request_tiny), made := [])
    assert made == list(STARTS)
    assert content(request_tiny) == whole


@pytest.mark.usefixtures("half")
def test_a_version_that_makes_other_images_starts_again(request_tiny: Request, tiny_images: Images) -> None:
    others = request_tiny.info.scale - tiny_images(request_tiny)
    with pytest.warns(UserWarning, match="starting again"):
        grid = make(request_tiny, others, made := [])
    assert made == [18, *STARTS]
    np.testing.assert_array_equal(grid.images(np.arange(60)), others)


@pytest.mark.parametrize("change", ["sizes", "fingerprint"])
@pytest.mark.usefixtures("half")
def test_another_description_starts_again(request_tiny: Request, tiny_images: Images, change: str) -> None:
    images, info = tiny_images(request_tiny), request_tiny.info
    in_memory = dd.FactorGrid(images, info.space, name="tiny", source="memory")
    different = {
        "sizes": {"space": dd.FactorSpace(info.space.names, (5, 4, 3))},
        "fingerprint": {"fingerprints": {"drawn": in_memory.fingerprint}},
    }[change]
    with pytest.warns(UserWarning, match="starting again"):
        make(dataclasses.replace(request_tiny, info=dataclasses.replace(info, **different)), images, made := [])
    assert made == list(STARTS)


def test_what_was_not_verified_does_not_become_part_of_what_is(
    request_tiny: Request, tiny_images: Images, cut_off: Any
) -> None:
    with cut_off(HALF):
        make(dataclasses.replace(request_tiny, verify=False), tiny_images(request_tiny), verified=False)
    with pytest.warns(UserWarning, match="starting again"):
        make(request_tiny, tiny_images(request_tiny), made := [])
    assert made == list(STARTS)


def test_nothing_noted_means_nothing_left(request_tiny: Request, tiny_images: Images) -> None:
    def blocks(first: int = 0) -> Iterator[np.ndarray]:
        yield tiny_images(request_tiny)[:9]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored_grid(request_tiny, lambda: Origin(blocks, "drawing", resumable=True), rebuild=True)
    assert {path.name for path in request_tiny.folder.iterdir()} == {".drawn.lock"}


def test_wrong_images_leave_nothing_to_go_on_with(
    request_tiny: Request, tiny_images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "NOTE_EVERY", 0)
    with pytest.raises(DataError, match="need 60 images, got 59"):
        make(request_tiny, tiny_images(request_tiny)[:-1])
    assert {path.name for path in request_tiny.folder.iterdir()} == {".drawn.lock"}


def test_a_note_says_only_what_has_reached_the_disk(
    request_tiny: Request, tiny_images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "NOTE_EVERY", 0)
    sync, write = os.fsync, Journal.write
    synced: dict[str, int] = {}
    noted: list[int] = []

    def fsync(descriptor: int) -> None:
        synced[Path(os.readlink(f"/proc/self/fd/{descriptor}")).name] = os.fstat(descriptor).st_size
        sync(descriptor)

    def note_down(journal: Journal, note: Note) -> None:
        row = 8 if request_tiny.info.scale == 1 else 64
        assert synced[".drawn.npy.tmp"] == 128 + note.made * row
        noted.append(note.made)
        write(journal, note)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Journal, "write", note_down)
    make(request_tiny, tiny_images(request_tiny))
    assert noted == [*STARTS[1:], 60]


def test_only_now_and_then(request_tiny: Request, tiny_images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[int] = []
    monkeypatch.setattr(Journal, "write", lambda journal, note: noted.append(note.made))
    make(request_tiny, tiny_images(request_tiny))
    assert noted == []
    assert 1 <= writing.NOTE_EVERY <= 60


def test_room_is_needed_only_for_the_rest(
    request_tiny: Request, tiny_images: Images, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too little room the finished part stays; the next attempt goes on with it."""
    rest = request_tiny.info.nbytes - half.stat().st_size + 2**20
    usage = cache.shutil.disk_usage("/")
    for free in (rest - 1, rest):
        monkeypatch.setattr(cache.shutil, "disk_usage", lambda path, free=free: usage._replace(free=free))
        if free < rest:
            with pytest.raises(DataError, match="no room"):
                make(request_tiny, tiny_images(request_tiny))
    make(request_tiny, tiny_images(request_tiny), made := [])
    assert made == list(STARTS[2:])


def test_how_far_it_is_can_be_asked(tmp_path: Path, cut_off: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dd.dsprites, "draw_all", partial(dd.dsprites.draw_all, block=1000))
    assert dd.begun("toy_grid", data_dir=tmp_path) == 0
    with cut_off(2000):
        dd.load("toy_grid", data_dir=tmp_path)
    assert dd.begun("toy_grid", data_dir=tmp_path) == 2000
    dd.load("toy_grid", data_dir=tmp_path)
    assert dd.begun("toy_grid", data_dir=tmp_path) == 0


def same_files(a: Path, b: Path, name: str) -> bool:
    return (a / name).read_bytes() == (b / name).read_bytes()


def test_a_drawn_set_goes_on(tmp_path: Path, cut_off: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[int] = []
    original = dd.dsprites.draw_all

    def draw_all(factors: np.ndarray, first: int = 0) -> Iterator[np.ndarray]:
        starts.append(first)
        return original(factors, first, block=512)

    monkeypatch.setattr(dd.dsprites, "draw_all", draw_all)
    with cut_off(2000):
        dd.load("toy_grid", data_dir=tmp_path / "cut")
    grid = dd.load("toy_grid", data_dir=tmp_path / "cut")
    assert starts == [0, 1536]
    assert grid.fingerprint == dd.load("toy_grid", data_dir=tmp_path / "whole").fingerprint
    assert same_files(tmp_path / "cut", tmp_path / "whole", "toy_grid/drawn.npy")
