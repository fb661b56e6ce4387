"""Original files of data sets: used where the user has them, else downloaded and compared with their checksums."""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from pooch.downloaders import HTTPDownloader

from disent_datasets.errors import DataError
from disent_datasets.originals.files import RemoteFile, compare, locate_all, names
from disent_datasets.progress import DownloadBar
from disent_datasets.request import Request

TIMEOUT = 30
"""Seconds without a sign of life after which a server counts as gone."""

CHUNK = 2**15
CUT = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
"""What the other end of a broken connection looks like."""


def obtain(request: Request, alternatives: Sequence[RemoteFile], folders: Sequence[str] = ()) -> Path:
    """Find one of several equally good files as `locate` does, or download the first that can be had.

    A download goes to the data set's own folder; an interrupted one is resumed.

    Raises:
        DataError: if there is none and none can be downloaded, or ``request.verify`` and a checksum differs.
        OSError: if the disk is full or the folder cannot be written.
    """
    return obtain_all(request, [alternatives], folders)[0]


def obtain_all(request: Request, needed: Sequence[Sequence[RemoteFile]], folders: Sequence[str] = ()) -> list[Path]:
    """Find or download all the files of a data set; errors as for `obtain`."""
    located = locate_all(request, needed, folders)
    return [path or _download(request, files) for path, files in zip(located, needed, strict=True)]


def _download(request: Request, alternatives: Sequence[RemoteFile]) -> Path:
    info = request.info
    _show_licence(f"{info.title} ({info.page}), licence: {info.licence}; please cite: {info.citation}")
    print(f"downloading {alternatives[0].name} to {request.folder}", file=sys.stderr, flush=True)
    request.folder.mkdir(parents=True, exist_ok=True)
    problems: dict[str, None] = {}
    for file in alternatives:
        for url in file.urls:
            part = request.folder / f".{file.name}.part"
            try:
                _transfer(url, part, file.name)
                if request.verify:
                    _compare_or_discard(part, file)
            except (DataError, requests.RequestException) as error:
                problems[_reason(url, error)] = None
                if _size(part) == 0:
                    _discard(part)
            else:
                os.replace(part, request.folder / file.name)
                _discard(part)
                return request.folder / file.name
    raise DataError(
        f"{info.title}: {'; '.join(problems) or 'no direct link exists'}; put {names(alternatives)} "
        f"by hand into {request.folder}, or give its path as --file or files= (see {info.page})"
    )


@functools.cache
def _show_licence(line: str) -> None:
    """Once, however many files a data set has."""
    print(line, file=sys.stderr, flush=True)


def _transfer(url: str, part: Path, text: str) -> None:
    """Download to ``part``; a connection that breaks is resumed as long as each attempt brings something."""
    while True:
        before = _size(part)
        try:
            return _attempt(url, part, text)
        except CUT:
            if _size(part) <= before:
                raise


def _attempt(url: str, part: Path, text: str) -> None:
    tag = _read_tag(part, url)
    have = _size(part)
    if tag and tag["total"] == have:
        return
    # Without identity a server may send a .gz file as compressed text, and requests would then unpack it.
    headers = {"Accept-Encoding": "identity"}
    if tag and tag["validator"]:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag["validator"]}
    with part.open("ab") as file, DownloadBar(text, have) as bar:

        def begin(response: requests.Response, **_: Any) -> None:
            if response.status_code not in (200, 206):
                return
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise DataError("answers with a web page instead of the file")
            if response.status_code == 200:
                file.truncate(0)
                bar.restart()
            _write_tag(part, url, response)
            _check_room(part, int(response.headers.get("Content-Length", 0)))

        HTTPDownloader(progressbar=bar, chunk_size=CHUNK, timeout=TIMEOUT, headers=headers, hooks={"response": begin})(
            url, file, None
        )
        os.fsync(file.fileno())


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tag(part: Path) -> Path:
    return part.with_suffix(".tag")


def _write_tag(part: Path, url: str, response: requests.Response) -> None:
    """Note which version of the file ``part`` is the beginning of; a weak entity tag does not say that."""
    validator = response.headers.get("ETag", "W/")
    if validator.startswith("W/"):
        validator = response.headers.get("Last-Modified", "")
    length = response.headers.get("Content-Length")
    total = None if length is None else _size(part) + int(length)
    _tag(part).write_text(json.dumps({"url": url, "validator": validator, "total": total}))


def _read_tag(part: Path, url: str) -> dict[str, Any] | None:
    try:
        tag = json.loads(_tag(part).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return tag if isinstance(tag, dict) and tag.get("url") == url and part.exists() else None


def _check_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed + 2**20:
        raise OSError(errno.ENOSPC, f"{free / 1e6:,.0f} MB free, {needed / 1e6:,.0f} MB to download")


def _compare_or_discard(part: Path, file: RemoteFile) -> None:
    try:
        compare(part, file)
    except DataError:
        _discard(part)
        raise


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag(part).unlink(missing_ok=True)


def _reason(url: str, error: DataError | requests.RequestException) -> str:
    """What went wrong with a link, without the request's innards."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{url}: {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"{url}: no answer within {TIMEOUT} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"{url}: the connection broke off"
    if isinstance(error, requests.RequestException):
        return f"{urlsplit(url).netloc} cannot be reached (offline?)"
    return f"{url}: {error}"
