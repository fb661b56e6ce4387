"""Arrays of an .npz archive, read block by block: whole they would not fit in memory."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from disent_datasets.errors import DataError


def stream(path: Path, key: str, shape: tuple[int, ...], block: int) -> Iterator[NDArray[np.uint8]]:
    """Read a uint8 array of an archive, at most ``block`` rows at a time.

    The archive's own checksum (CRC-32) is compared as the last block is read.

    Raises:
        DataError: if the array is not uint8, row-major and of this shape.
        KeyError, OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error: as Python's readers raise them.
    """
    row = int(np.prod(shape[1:]))
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as member:
        found, column_major, dtype = _header(member)
        if column_major or dtype != np.uint8:
            raise DataError(f"{path}: {key} must be uint8 in row-major order, got {dtype}")
        if found != shape:
            raise DataError(f"{path}: {key} must have shape {shape}, got {found}")
        for start in range(0, shape[0], block):
            count = min(block, shape[0] - start)
            yield np.frombuffer(member.read(count * row), dtype=np.uint8).reshape(count, *shape[1:])
        if member.read(1):
            raise DataError(f"{path}: {key} is longer than its header says")


def shape_of(path: Path, key: str) -> tuple[int, ...]:
    """Shape of an array of an archive, read from its header; errors as for `stream`."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as member:
        return _header(member)[0]


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(member)


_FAILURES = (KeyError, OSError, EOFError, ValueError, IndexError, zipfile.BadZipFile, zlib.error, tarfile.TarError)


@contextmanager
def readable(path: Path, title: str, page: str) -> Iterator[None]:
    """Turn what readers raise about a file into one line that says what would work."""
    try:
        yield
    except DataError:
        raise
    except _FAILURES as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as the {title} file ({reason}); get it again from {page}") from error
