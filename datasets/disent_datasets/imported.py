"""Data sets of a user's own that were imported: found in the data folder by name, as those that are registered."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_datasets.errors import DamagedError, DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid, SparseImages
from disent_datasets.own_data import LARGEST_SPACE
from disent_datasets.own_files import OwnFiles, ranks, white_of
from disent_datasets.registry import Entry
from disent_datasets.request import DatasetInfo, Request
from disent_datasets.storage.atomic import write_whole
from disent_datasets.storage.lock import exclusive
from disent_datasets.storage.stored import read, stored_grid, storing
from disent_datasets.storage.writing import Origin

RECORD = "dataset.json"
NUMBERS = "numbers.bin"
SOURCE = "imported"
FORMAT = 1
BLOCK = 1024
"""Images handled at once."""
UNSAID = "not said"
MOST_VALUES = 1000
"""Values of a factor from which on it is taken for one that is continuous."""


@dataclass(frozen=True)
class Imported:
    """What an import has made.

    Attributes:
        info: the data set.
        values: what the values of each factor stand for, in words, by factor.
        count: images that there are.
        notes: what was decided on the way, for the user to know.
    """

    info: DatasetInfo
    values: Mapping[str, Sequence[str]]
    count: int
    notes: tuple[str, ...]


def import_files(
    name: str, files: AbstractContextManager[OwnFiles], folder: Path, bins: Mapping[str, int], words: Mapping[str, str]
) -> Imported:
    """Store images and factors of a user's in a data folder; see `disent_datasets.import_data`.

    Args:
        name: of the data set.
        files: what is imported; they are opened once the name is known to be free.
        folder: the data folder.
        bins: intervals of the factors that are to be cut.
        words: ``title``, ``licence`` and ``citation``; empty ones are filled in.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise ValueError(f"name: {name!r} should consist of a-z, 0-9, _ and -, and start with a letter or digit")
    home = folder / name
    if (home / RECORD).exists():
        raise ValueError(f"name: {name} is imported already; delete {home} to import it anew, or take another name")
    if out_of_range := [count for count in bins.values() if not 2 <= count <= MOST_VALUES]:
        raise ValueError(f"bins: from 2 to {MOST_VALUES}, not {out_of_range[0]}")
    with files as own:
        height, width, channels = own.shape
        if height != width:
            raise DataError(f"{own.path}: images are {height} x {width}; cut or pad them to squares")
        indices, values, notes = _space(own, bins)
        space = FactorSpace(tuple(values), [len(each) for each in values.values()])
        if space.size > LARGEST_SPACE:
            raise DataError(
                f"{own.path}: the factors have {space.size:,} combinations; up to {LARGEST_SPACE:,} are handled: cut "
                "one into fewer values, or take fewer factors"
            )
        rows, numbers, more = _in_order(own, space.index(indices), bool(bins), space)
        white, kind = white_of(_blocks(own, rows), own.path), own.read(rows[:1]).dtype.kind
        scale = 1 if white == 1 and kind != "f" and height * width * channels % 8 == 0 else 255

        def blocks() -> Iterator[NDArray[np.uint8]]:
            return (np.rint(block * (scale / white)).astype(np.uint8) for block in _blocks(own, rows))

        title, licence, citation = words["title"] or name, words["licence"] or UNSAID, words["citation"] or UNSAID
        info = _info(name, title, space, own.shape, licence, citation, scale, len(rows))
        _store(Request(info, SOURCE, folder), blocks, numbers, values)
    if white not in (1, 255):
        more = (f"images are stored in 8 bit, {white:,} as 255", *more)
    return Imported(info, values, len(rows), (*own.notes, *notes, *more))


def _store(
    request: Request,
    blocks: Callable[[], Iterator[NDArray[np.uint8]]],
    numbers: NDArray[np.int64],
    values: Mapping[str, Sequence[str]],
) -> None:
    """Store the images, then which combinations they are if some lack, and last the record that makes it a data set."""
    info, home = request.info, request.folder
    whole = len(numbers) == info.space.size
    with storing(request):
        home.mkdir(parents=True, exist_ok=True)
        with exclusive(home / ".import.lock", f"waiting for another process that imports {info.name}"):
            (home / f"{SOURCE}.json").unlink(missing_ok=True)  # of an import that did not end
            grid = stored_grid(request.storage, lambda: Origin(blocks, "importing"), rebuild=False)
            if not whole:
                write_whole(home / NUMBERS, numbers.tobytes())
            record = {
                "format": FORMAT,
                "title": info.title,
                "licence": info.licence,
                "citation": info.citation,
                "factors": values,
                "shape": list(info.shape),
                "scale": info.scale,
                "images": len(numbers),
                "stored": grid.fingerprint,
                "numbers": "" if whole else hashlib.sha256(numbers.tobytes()).hexdigest(),
            }
            write_whole(home / RECORD, (json.dumps(record, indent=2) + "\n").encode())


def imported(folder: Path) -> dict[str, Entry]:
    """Return the data sets that were imported into a data folder, by name; those that cannot be read give a warning."""
    found = {}
    for path in sorted(folder.glob(f"*/{RECORD}")):
        try:
            found[path.parent.name] = Entry(_read_info(path)[0], _load)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            warnings.warn(f"{path} cannot be read ({error}); delete {path.parent} and import it again", stacklevel=3)
    return found


def _read_info(path: Path) -> tuple[DatasetInfo, dict[str, Any]]:
    record = json.loads(path.read_bytes())
    if record["format"] != FORMAT:
        raise ValueError(f"format {record['format']!r}, this version reads {FORMAT}")
    values = record["factors"]
    space = FactorSpace(tuple(values), [len(each) for each in values.values()])
    height, width, channels = record["shape"]
    info = _info(
        path.parent.name,
        record["title"],
        space,
        (height, width, channels),
        record["licence"],
        record["citation"],
        record["scale"],
        record["images"],
        record["stored"],
    )
    return info, record


def _info(
    name: str,
    title: str,
    space: FactorSpace,
    shape: tuple[int, int, int],
    licence: str,
    citation: str,
    scale: int,
    count: int,
    fingerprint: str = "",
) -> DatasetInfo:
    """The data set, whose images are stored as those of one factor: their place in the order of the combinations."""
    known = {SOURCE: fingerprint} if fingerprint else {}
    stored = DatasetInfo(
        name, title, FactorSpace(("image",), (count,)), shape, (SOURCE,), licence, citation, scale, known
    )
    return replace(stored, space=space, fingerprints={}, stored=stored)


def _load(request: Request) -> FactorGrid:
    """The imported grid, memory-mapped."""
    info = request.info
    record = _read_info(request.folder / RECORD)[1]
    grid = read(request.storage)
    images, fingerprint, present = grid.stored, grid.fingerprint, None
    if record["numbers"]:
        numbers = _numbers(request, record["numbers"])
        assert not isinstance(images, SparseImages)
        images = SparseImages(images, numbers, info.space.size)
        fingerprint = hashlib.sha256(f"{fingerprint} {record['numbers']}".encode()).hexdigest()
        present = np.zeros(info.space.size, dtype=bool)
        present[numbers] = True
    return FactorGrid(
        images, info.space, name=info.name, source=SOURCE, scale=info.scale, fingerprint=fingerprint, present=present
    )


def _numbers(request: Request, digest: str) -> NDArray[np.int64]:
    """Which combinations the stored images are."""
    path = request.folder / NUMBERS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path} cannot be read ({error.strerror}); import {request.info.name} again") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedError(f"{path} is damaged; import {request.info.name} again")
    return np.frombuffer(content, np.int64)


def _space(files: OwnFiles, bins: Mapping[str, int]) -> tuple[NDArray[np.int64], dict[str, list[str]], tuple[str, ...]]:
    """Factors (n, k) as indices, what their values stand for, and notes."""
    if unknown := sorted(set(bins) - set(files.columns)):
        raise ValueError(f"bins: there is no factor {unknown[0]!r}; there are {', '.join(files.columns)}")
    indices, values, notes = [], {}, []
    for name, column in files.columns.items():
        found, words = ranks(column, name, bins.get(name))
        if len(words) == 1:
            notes.append(f"{name} is {words[0]} everywhere and is left out")
            continue
        if len(words) > MOST_VALUES:
            raise DataError(
                f"{files.path}: {name} takes {len(words):,} values; cut it into bins ({name}=10), or leave it out by "
                "naming the others"
            )
        indices.append(found)
        values[name] = words
    if not values:
        raise DataError(f"{files.path}: no factor takes two values")
    return np.stack(indices, axis=1), values, tuple(notes)


def _in_order(
    files: OwnFiles, numbers: NDArray[np.int64], binned: bool, space: FactorSpace
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """Rows of the files in the order of the combinations, the number of each, and notes."""
    found, rows, counts = np.unique(numbers, return_index=True, return_counts=True)
    notes = []
    if spare := len(numbers) - len(found):
        if not binned:
            first, second = np.flatnonzero(numbers == found[counts.argmax()])[:2]
            raise DataError(
                f"{files.path}: {files.label(first)} and {files.label(second)} have the same factors "
                f"({space.describe(int(numbers[first]))}); a data set has one image of a combination: add the "
                "factor in which they differ"
            )
        notes.append(f"{spare:,} images share their combination of bins with an earlier one and are left out")
    if missing := space.size - len(found):
        notes.append(
            f"{missing:,} of {space.size:,} combinations have no image: training leaves them out, and scores that "
            "need them say so"
        )
    return rows, found, tuple(notes)


def _blocks(files: OwnFiles, rows: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(rows), BLOCK):
        yield files.read(rows[start : start + BLOCK])
