"""Image grids stored once and memory-mapped afterwards; incomplete or altered files are never used.

``<data folder>/<data set>/<source>.npy`` holds the images, binary ones packed eight pixels to a byte;
``<source>.json`` beside it is written last and says what they are. Both are written atomically.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from disent_datasets.errors import DamagedError, DataError, MissingError
from disent_datasets.grid import FactorGrid, PackedImages
from disent_datasets.request import DatasetInfo, Request
from disent_datasets.storage.atomic import unfinished, write_whole
from disent_datasets.storage.lock import exclusive
from disent_datasets.storage.writing import Origin, write_images

FORMAT = 2
TRUSTED = 2 * 10**9
"""Bytes from which a file is not read again at every load if its size and time are those it was written with."""

ELSEWHERE = "set DISENT_DATA (or data_dir) to another folder"


def stored_grid(request: Request, origin: Callable[[], Origin], *, rebuild: bool) -> FactorGrid:
    """The grid stored for a request, made and stored first if there is none.

    Args:
        request: data set, source and folder.
        origin: called if the images have to be made; may raise `DataError`.
        rebuild: make a damaged grid again (with a warning) rather than refuse it.

    Raises:
        DataError: if the stored grid is damaged and ``rebuild`` is False, or if it cannot be stored.
    """
    try:
        grid = read(request)
        if request.files:
            warnings.warn(f"{request.info.name} ({request.source}) is stored already; no file is read", stacklevel=4)
        return grid
    except MissingError:
        pass
    except DamagedError as error:
        if not rebuild:
            raise DataError(f"{error}; delete it to have it made again from the original") from None
        warnings.warn(f"{error}; making it again", stacklevel=2)
    with storing(request):
        request.folder.mkdir(parents=True, exist_ok=True)
        waiting = f"waiting for another process that makes {request.info.name} ({request.source})"
        with exclusive(request.folder / f".{request.source}.lock", waiting):
            try:
                return read(request)
            except (MissingError, DamagedError):
                _write(request, origin())
    return read(request)


def read(request: Request, *, thorough: bool = False) -> FactorGrid:
    """Memory-map the stored grid; with ``request.verify`` its SHA-256 is compared first.

    A file of more than `TRUSTED` bytes whose size and modification time are the recorded ones is taken for what was
    written, unless ``thorough``.

    Raises:
        MissingError: if there is none, or verification is asked for and its original was never verified.
        DamagedError: if it is not what was written.
        DataError: if it cannot be read at all.
    """
    record = _record(request)
    data = _paths(request)[0]
    if request.verify and not record["verified"]:
        raise MissingError(f"{data} was made from a file whose checksum was not compared")
    try:
        status = data.stat()
        if status.st_size != record["bytes"]:
            raise DamagedError(f"{data} is damaged: {status.st_size:,} bytes instead of {record['bytes']:,}")
        untouched = status.st_size > TRUSTED and status.st_mtime_ns == record["mtime_ns"]
        if request.verify and (thorough or not untouched) and _sha256(data) != record["sha256"]:
            raise DamagedError(f"{data} is damaged: its SHA-256 is not the one it was written with")
        return _open(data, request, record["fingerprint"])
    except FileNotFoundError:
        raise DamagedError(f"{data} is gone, though {data.with_suffix('.json').name} is there") from None
    except OSError as error:
        raise DataError(f"{data} cannot be read ({error.strerror})") from error
    except DataError:
        raise
    except ValueError as error:
        raise DamagedError(f"{data} is damaged: {error}") from None


def _open(data: Path, request: Request, fingerprint: str) -> FactorGrid:
    info = request.info
    stored = np.load(data, mmap_mode="r")
    images = PackedImages(stored, info.shape) if info.scale == 1 else stored
    return FactorGrid(
        images, info.space, name=info.name, source=request.source, scale=info.scale, fingerprint=fingerprint
    )


def _paths(request: Request) -> tuple[Path, Path]:
    stem = request.folder / request.source
    return stem.with_name(f"{stem.name}.npy"), stem.with_name(f"{stem.name}.json")


def _record(request: Request) -> dict[str, Any]:
    path = _paths(request)[1]
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise MissingError(f"{request.info.name} ({request.source}) is not prepared in {request.data_dir}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError:
        raise DamagedError(f"{path} is damaged: not JSON") from None
    expected = _description(request.info, request.source)
    if not isinstance(record, dict):
        raise DamagedError(f"{path} is damaged: not what this package writes")
    # Records had no version while every data set had its first.
    if (stored := record.setdefault("version", 1)) != (version := request.info.version):
        raise DamagedError(f"{path} describes version {stored} of {request.info.name}, and this is version {version}")
    if {key: record.get(key) for key in expected} != expected:
        raise DamagedError(f"{path} does not describe what this version of the package makes")
    if {key: type(record.get(key)) for key in _RESULT} != _RESULT:
        raise DamagedError(f"{path} is damaged: keys are missing")
    return record


_RESULT = {"fingerprint": str, "sha256": str, "bytes": int, "mtime_ns": int, "verified": bool}


def _description(info: DatasetInfo, source: str) -> dict[str, Any]:
    """What the record must say before the images are even looked at."""
    known = {"fingerprint": info.fingerprints[source]} if source in info.fingerprints else {}
    return known | {
        "format": FORMAT,
        "name": info.name,
        "version": info.version,
        "source": source,
        "factors": list(info.space.names),
        "sizes": list(info.space.sizes),
        "shape": list(info.shape),
        "scale": info.scale,
    }


def _write(request: Request, origin: Origin) -> None:
    info = request.info
    data, record = _paths(request)
    temporary = unfinished(data)
    if temporary.exists() or (data.exists() and not record.exists()):
        warnings.warn(f"{data}: an earlier preparation was interrupted; starting again", stacklevel=4)
    temporary.unlink(missing_ok=True)
    _check_room(request)
    record.unlink(missing_ok=True)
    try:
        fingerprint, digest = write_images(temporary, info, origin)
        expected = info.fingerprints.get(request.source, fingerprint)
        if fingerprint != expected:
            raise DataError(f"{info.name} ({request.source}): images have SHA-256 {fingerprint}, not {expected}")
        result = {
            "fingerprint": fingerprint,
            "sha256": digest,
            "bytes": temporary.stat().st_size,
            "mtime_ns": temporary.stat().st_mtime_ns,
            "verified": origin.verified,
        }
        os.replace(temporary, data)
    finally:
        temporary.unlink(missing_ok=True)
    text = json.dumps(_description(info, request.source) | result, indent=2) + "\n"
    write_whole(record, text.encode())


def _check_room(request: Request) -> None:
    needed, free = request.info.nbytes, shutil.disk_usage(request.folder).free
    if free < needed + 2**20:
        raise OSError(errno.ENOSPC, f"{free / 1e6:,.0f} MB free, {needed / 1e6:,.0f} MB needed")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def storing(request: Request) -> Iterator[None]:
    """Turn what the system says about a folder into one line that says what would work."""
    try:
        yield
    except OSError as error:
        what = f"{request.info.name}: cannot store its images in {request.folder}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DataError(f"{what}: no room ({error.strerror}); free some or {ELSEWHERE}") from error
        raise DataError(f"{what} ({error.strerror}); {ELSEWHERE}") from error
