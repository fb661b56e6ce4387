"""The images of a set written to one file, block by block."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from disent_datasets.errors import DataError
from disent_datasets.grid import pack
from disent_datasets.progress import track
from disent_datasets.request import DatasetInfo


@dataclass(frozen=True)
class Origin:
    """Where the images to be stored come from.

    Args:
        blocks: returns blocks of uint8 (n, h, w, c), in index order.
        action: what making them is called in the progress bar.
        verified: whether the checksums of the original files were compared.
    """

    blocks: Callable[[], Iterable[NDArray[np.uint8]]]
    action: str
    verified: bool = True


def write_images(path: Path, info: DatasetInfo, origin: Origin) -> tuple[str, str]:
    """Write all images to an ``.npy`` file, binary ones eight pixels to a byte, and bring it to the disk.

    Returns:
        the SHA-256 of the uint8 images in index order, and that of the file.

    Raises:
        DataError: if the images are not what the data set has.
        OSError: if they cannot be written.
    """
    binary, count = info.scale == 1, 0
    header = _header((info.space.size, math.prod(info.shape) // 8) if binary else (info.space.size, *info.shape))
    fingerprint, digest = hashlib.sha256(), hashlib.sha256(header)
    with path.open("wb") as file:
        file.write(header)
        for block in track(origin.blocks(), info.space.size, f"{origin.action} {info.title}"):
            if block.dtype != np.uint8 or block.shape[1:] != info.shape or block.max(initial=0) > info.scale:
                raise DataError(f"{info.name}: need uint8 images {info.shape} up to {info.scale}, got {block.shape}")
            block = np.ascontiguousarray(block)
            stored = (pack(block) if binary else block).data
            fingerprint.update(block.data)
            digest.update(stored)
            file.write(stored)
            count += len(block)
        file.flush()
        os.fsync(file.fileno())
    if count != info.space.size:
        raise DataError(f"{info.name}: need {info.space.size} images, got {count}")
    return fingerprint.hexdigest(), digest.hexdigest()


def _header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()
