"""Images and factors of a user's own as their files hold them: .npz, .h5, or a folder of pictures."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_datasets.errors import DataError

Column = NDArray[Any]
IMAGES = ("images", "imgs", "image", "x")
FACTORS = ("factors", "labels", "latents_classes", "latents_values", "y")
NAMES = "factor_names"
KINDS = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB", "I;16": "I;16"}
"""Kinds of pictures that are read (Pillow's names), and what each is read as."""
UNREADABLE = (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error)
"""What numpy raises about an archive that is not there, is damaged, or is none."""
HALF_OF_16_BIT = 2**15
"""Smallest brightest pixel of images of which white is taken to be 65535."""


@dataclass(frozen=True)
class OwnFiles:
    """Images in any order, and a value of every factor for each.

    Args:
        path: the file or folder, for messages.
        columns: values (n,) by factor, numbers or words.
        shape: (h, w, c) of one image.
        read: returns the images (m, h, w, c) of the given rows, as they are stored.
        label: what a row is called in messages.
        notes: what was decided on the way.
    """

    path: Path
    columns: Mapping[str, Column]
    shape: tuple[int, int, int]
    read: Callable[[NDArray[np.int64]], NDArray[Any]]
    label: Callable[[int], str]
    notes: tuple[str, ...] = ()


@contextmanager
def opened(path: Path, factors: Path | None = None, names: Sequence[str] = ()) -> Iterator[OwnFiles]:
    """Open a file or folder of images.

    Args:
        path: an .npz or .h5 file with arrays ``images`` (n, h, w), (n, h, w, c) or (n, c, h, w) and ``factors`` (n, k)
            (other common names are known), or a folder of pictures.
        factors: a CSV file with a column for each factor, a row for each image in the order of the array; for a folder
            with a column ``file``, by default its ``factors.csv``.
        names: columns to take; for an array without names what its columns are called. All if empty.

    Raises:
        DataError: if it does not hold that; the message says what would work.
    """
    if path.is_dir():
        yield _folder(path, factors or path / "factors.csv", names)
    elif path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as held:
                own = _arrays(path, held, held.files, factors, names)
        except DataError:
            raise
        except UNREADABLE as error:
            raise DataError(f"{path} cannot be read as an .npz file ({error})") from error
        yield own
    elif path.suffix in (".h5", ".hdf5"):
        import h5py  # imported where it is needed: it costs more than the rest of this module

        try:
            file = h5py.File(path, "r")
        except OSError as error:
            raise DataError(f"{path} cannot be read as an HDF5 file ({error})") from error
        with file:
            yield _arrays(path, file, [key for key in file if isinstance(file[key], h5py.Dataset)], factors, names)
    elif not path.exists():
        raise DataError(f"{path} is not there")
    else:
        raise DataError(f"{path} is neither an .npz or .h5 file nor a folder of pictures")


def _arrays(path: Path, held: Any, keys: Sequence[str], table: Path | None, names: Sequence[str]) -> OwnFiles:
    images = held[_key(path, keys, IMAGES)]
    notes: tuple[str, ...] = ()
    shape: tuple[int, ...] = images.shape
    first = False
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3):
        first, shape = True, (shape[0], *shape[2:], shape[1])
        notes = ("images (n, c, h, w) are turned into (n, h, w, c)",)
    if len(shape) == 3:
        shape = (*shape, 1)
    if len(shape) == 4 and (shape[3] == 4 or (shape[1] == 4 and shape[3] not in (1, 3))):
        raise DataError(f"{path}: images {images.shape} have four channels (RGBA?); leave the fourth out")
    if len(shape) != 4 or shape[3] not in (1, 3) or not len(images):
        raise DataError(f"{path}: images must be (n, h, w), (n, h, w, 1) or (n, h, w, 3), got {images.shape}")

    def read(rows: NDArray[np.int64]) -> NDArray[Any]:
        distinct, back = np.unique(rows, return_inverse=True)  # h5py takes rows in ascending order alone
        found = np.asarray(images[distinct])[back]
        return (found.transpose(0, 2, 3, 1) if first else found).reshape(-1, *shape[1:])

    columns = _table(table, names) if table else _columns(path, held, keys, names)
    count = len(next(iter(columns.values())))
    if count != len(images):
        raise DataError(f"{table or path}: need a row of factors for each of {len(images):,} images, got {count:,}")
    return OwnFiles(path, columns, (shape[1], shape[2], shape[3]), read, "image {}".format, notes)


def _key(path: Path, keys: Sequence[str], known: Sequence[str]) -> str:
    for key in known:
        if key in keys:
            return key
    raise DataError(f"{path} holds no array called {known[0]} (or {', '.join(known[1:])}), but: {', '.join(keys)}")


def _columns(path: Path, held: Any, keys: Sequence[str], names: Sequence[str]) -> dict[str, Column]:
    key = _key(path, keys, FACTORS)
    values = np.asarray(held[key])
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.dtype.kind not in "biufSUO":
        raise DataError(f"{path}: {key} must be (n, k) numbers or words, got {values.dtype} {values.shape}")
    if values.dtype.kind in "SO":
        values = np.array([[_word(cell) for cell in row] for row in values])
    if not names and NAMES in keys:
        names = [_word(name) for name in np.asarray(held[NAMES]).ravel()]
    if not names:
        names = [f"factor {number}" for number in range(1, values.shape[1] + 1)]
    if len(names) != values.shape[1]:
        raise DataError(f"{path}: {key} has {values.shape[1]} columns, and there are {len(names)} names of factors")
    return dict(zip(names, values.T, strict=True))


def _word(cell: Any) -> str:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def _table(path: Path, names: Sequence[str], file_column: str = "") -> dict[str, Column]:
    rows = read_rows(path, [file_column, *names] if file_column else names, whole=not names)
    wanted = names or [name for name in rows[0] if name and name != file_column]
    if not wanted:
        raise DataError(f"{path} has no column for a factor")
    found = {name: as_values([row[name] for row in rows]) for name in wanted}
    return found | ({file_column: np.array([row[file_column] for row in rows])} if file_column else {})


def _folder(folder: Path, table: Path, names: Sequence[str]) -> OwnFiles:
    columns = _table(table, names, "file")
    files = [folder / name for name in columns.pop("file")]
    first = read_picture(files[0])

    def read(rows: NDArray[np.int64]) -> NDArray[Any]:
        found = np.empty((len(rows), *first.shape), first.dtype)
        for image, row in zip(found, rows, strict=True):
            picture = read_picture(files[row])
            if picture.shape != first.shape or picture.dtype != first.dtype:
                raise DataError(
                    f"{files[row]} is {_described(picture)}, {files[0].name} is {_described(first)}; make them alike"
                )
            image[:] = picture
        return found

    height, width, channels = first.shape
    return OwnFiles(folder, columns, (height, width, channels), read, lambda row: files[row].name)


def _described(picture: NDArray[Any]) -> str:
    height, width, channels = picture.shape
    return f"{height} x {width} pixels {'RGB' if channels == 3 else 'grey'} of {8 * picture.itemsize} bit"


def read_picture(path: Path) -> NDArray[Any]:
    """Read a picture as uint8 (h, w, 1) or (h, w, 3), or uint16 (h, w, 1).

    Raises:
        DataError: if it is not there, has transparency, several frames, or is of another kind; in one line.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            mode, frames = picture.mode, getattr(picture, "n_frames", 1)
            pixels = np.asarray(picture.convert(KINDS[mode])) if mode in KINDS and frames == 1 else None
            clear = "transparency" in picture.info
    except FileNotFoundError:
        raise DataError(f"{path} is not there, though the table names it") from None
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a picture ({error})") from error
    if frames > 1:
        raise DataError(f"{path} is animated ({frames} frames); save each frame as a picture of its own")
    if mode in ("RGBA", "LA", "PA") or clear:
        raise DataError(f"{path} has transparency (kind {mode}); put it on a background and save it as RGB or grey")
    if pixels is None:
        raise DataError(f"{path} is of kind {mode}; save it as 8 bit grey or RGB, or as 16 bit grey")
    return pixels.reshape(*pixels.shape[:2], -1)


def read_rows(path: Path, columns: Sequence[str], *, whole: bool = False) -> list[dict[str, str]]:
    """Read the rows of a CSV file whose first line names its columns.

    Args:
        path: the file.
        columns: those that must be there, and filled in every row.
        whole: all others must be filled, too.

    Raises:
        DataError: if one is missing, a line is incomplete, or the file cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or [])
            rows = list(reader)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no CSV file ({error})") from error
    if missing := [column for column in columns if column not in names]:
        raise DataError(f"{path}: need the columns {', '.join(columns)} in the first line, {missing[0]!r} is missing")
    for number, row in enumerate(rows, start=2):
        if any(row[column] in (None, "") for column in (names if whole else columns)):
            raise DataError(f"{path}: line {number} is incomplete")
    if not rows:
        raise DataError(f"{path} names no images")
    return rows


def as_values(texts: Sequence[str]) -> Column:
    """Cells of a column as numbers if all are, else as the words they are."""
    try:
        return np.array([float(text) for text in texts])
    except ValueError:
        return np.array(texts)


def ranks(values: Column, name: str, bins: int | None = None) -> tuple[NDArray[np.int64], list[str]]:
    """Turn the values of a factor into ``0 .. size - 1`` and return what each stands for.

    Numbers are put in order of size, words in that of the alphabet; with ``bins`` the range of the numbers is cut into
    so many intervals of equal width.

    Raises:
        DataError: if a value is not finite, or words are to be cut.
    """
    if values.dtype.kind not in "fiub":
        if bins:
            raise DataError(f"{name} holds words, which cannot be cut into bins")
        distinct, indices = np.unique(values, return_inverse=True)
        return indices.astype(np.int64), [str(word) for word in distinct]
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise DataError(f"{name} holds {numbers[~np.isfinite(numbers)][0]} in row {np.argmin(np.isfinite(numbers))}")
    if not bins:
        distinct, indices = np.unique(numbers, return_inverse=True)
        return indices.astype(np.int64), [f"{number:g}" for number in distinct]
    low, high = numbers.min(), numbers.max()
    width = (high - low) / bins or 1.0
    edges = [f"{low + place * width:g}..{low + (place + 1) * width:g}" for place in range(bins)]
    return np.minimum((numbers - low) / width, bins - 1).astype(np.int64), edges


def white_of(blocks: Iterable[NDArray[Any]], path: Path) -> int:
    """Return the value of white in images: 1 for real numbers and for those that are 0 and 1, 255, or 65535 of 16 bit.

    Raises:
        DataError: if it cannot be told.
    """
    ends = [(block.min(), block.max(), block.dtype) for block in blocks]
    least, largest, dtype = min(end[0] for end in ends), max(end[1] for end in ends), ends[0][2]
    said = f"{path}: images are {dtype} from {least:g} to {largest:g}"
    if dtype.kind == "b" or (least >= 0 and largest <= 1):
        return 1
    if dtype.kind == "f" or least < 0 or largest > 65535:
        raise DataError(f"{said}; bring them to whole numbers of 0..255 or 0..65535, or to real numbers of 0..1")
    if largest <= 255 and dtype != np.uint16:
        return 255
    if largest < HALF_OF_16_BIT:
        raise DataError(f"{said}; scale them so that white is 65535, or save them as uint8")
    return 65535
