"""The images of a set written to one file, block by block; a writing that was cut off can be gone on with."""

from __future__ import annotations

import hashlib
import io
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from disent_datasets.errors import DataError
from disent_datasets.grid import BLOCK, pack
from disent_datasets.info import DatasetInfo
from disent_datasets.journal import Journal, Note
from disent_datasets.progress import track

NOTE_EVERY = 5.0
"""Seconds after which the images made so far are brought to the disk and noted in the journal."""

Blocks = Iterable[NDArray[np.uint8]]


@dataclass(frozen=True)
class Origin:
    """Where the images to be stored come from.

    Args:
        blocks: called without arguments, blocks of uint8 (n, h, w, c) in index order; of a resumable origin also
            called with the number of the image to start with, always the first of a block.
        action: what making them is called in the progress bar.
        verified: whether the checksums of the original files were compared.
        resumable: whether it can start with any block.
    """

    blocks: Callable[..., Blocks]
    action: str
    verified: bool = True
    resumable: bool = False


class ImageFile:
    """The ``.npy`` file of a set's images while it grows, with the SHA-256 of its images and of all its bytes.

    Args:
        file: open for reading and writing.
        info: the data set; its binary images are written eight pixels to a byte.
    """

    def __init__(self, file: BinaryIO, info: DatasetInfo) -> None:
        self.file = file
        self.info = info
        self.row = math.prod(info.shape) // (8 if info.scale == 1 else 1)
        self.header = _header((info.space.size, self.row) if info.scale == 1 else (info.space.size, *info.shape))
        self.count = 0
        self.images, self.content = hashlib.sha256(), hashlib.sha256()

    def restart(self) -> None:
        """Drop whatever is there, and write the header."""
        self.count = 0
        self.images, self.content = hashlib.sha256(), hashlib.sha256(self.header)
        self.file.seek(0)
        self.file.truncate()
        self.file.write(self.header)

    def restore(self, note: Note) -> bool:
        """Take up the part that was noted and drop the rest; False if that part is not there as it was noted."""
        self.file.truncate(len(self.header) + note.made * self.row)
        self.file.seek(0)
        self.count = note.made
        self.images, self.content = hashlib.sha256(), hashlib.sha256(self.file.read(len(self.header)))
        for stored in track(self._stored(note.made), note.made, f"reading the finished part of {self.info.title}"):
            self.images.update((np.unpackbits(stored, bitorder="little") if self.info.scale == 1 else stored).data)
            self.content.update(stored.data)
        return self.content.hexdigest() == note.sha256

    def _stored(self, count: int) -> Iterator[NDArray[np.uint8]]:
        for start in range(0, count, BLOCK):
            rows = min(BLOCK, count - start)
            yield np.frombuffer(self.file.read(rows * self.row), np.uint8).reshape(rows, self.row)

    def ends_with(self, block: NDArray[np.uint8]) -> bool:
        """Whether the last images of the file are these."""
        self.file.seek(-len(block) * self.row, os.SEEK_END)
        return self.file.read() == self._encode(block).tobytes()

    def append(self, block: NDArray[np.uint8]) -> None:
        """Write images (n, h, w, c).

        Raises:
            DataError: if they are not what the data set has.
        """
        stored = self._encode(block).data
        self.images.update(np.ascontiguousarray(block).data)
        self.content.update(stored)
        self.file.write(stored)
        self.count += len(block)

    def _encode(self, block: NDArray[np.uint8]) -> NDArray[np.uint8]:
        info = self.info
        if block.dtype != np.uint8 or block.shape[1:] != info.shape or block.max(initial=0) > info.scale:
            raise DataError(f"{info.name}: need uint8 images {info.shape} up to {info.scale}, got {block.shape}")
        return np.ascontiguousarray(pack(block) if info.scale == 1 else block)

    def sync(self) -> None:
        """Bring what was written to the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())


def write_images(path: Path, info: DatasetInfo, origin: Origin, journal: Journal) -> tuple[str, str]:
    """Write all images to ``path``, going on with what the journal says is there.

    Returns:
        the SHA-256 of the uint8 images in index order, and that of the file.

    Raises:
        DataError: if the images are not what the data set has.
        OSError: if they cannot be written.
    """
    left = path.exists()
    with path.open("r+b" if left else "w+b") as opened:
        file = ImageFile(opened, info)
        blocks = _rest(file, origin, journal) if left and origin.resumable else None
        if blocks is None:
            if left:
                warnings.warn(f"{path}: an earlier preparation was cut off; starting again", stacklevel=5)
            journal.remove()
            file.restart()
            blocks = origin.blocks()
        noted = time.monotonic()
        for block in track(blocks, info.space.size, f"{origin.action} {info.title}", done=file.count):
            file.append(block)
            if origin.resumable and time.monotonic() - noted >= NOTE_EVERY:
                file.sync()
                journal.write(Note(file.count, len(block), file.content.hexdigest()))
                noted = time.monotonic()
        file.sync()
    if file.count != info.space.size:
        raise DataError(f"{info.name}: need {info.space.size} images, got {file.count}")
    return file.images.hexdigest(), file.content.hexdigest()


def _rest(file: ImageFile, origin: Origin, journal: Journal) -> Blocks | None:
    """The blocks that are still to be written, or None if what there is cannot be gone on with.

    The last finished block is made again: it differs if another version of this package made it.
    """
    note = journal.read()
    if note is None or note.made > file.info.space.size or not file.restore(note):
        return None
    blocks = iter(origin.blocks(note.made - note.last))
    again = next(blocks, None)
    return blocks if again is not None and len(again) == note.last and file.ends_with(again) else None


def _header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()
