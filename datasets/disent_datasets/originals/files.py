"""Original files of data sets: what they are called, and where the user has them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pooch

from disent_datasets.errors import DataError
from disent_datasets.request import Request


@dataclass(frozen=True)
class RemoteFile:
    """A file that somebody else publishes.

    Args:
        name: its name on disk.
        urls: where it is published, best first.
        checksums: ``"md5:..."`` or ``"sha256:..."`` of its published versions.
        exhaustive: False if sound versions exist whose checksums nobody has published; a file that is none of the
            known ones is then used with a warning, else it is refused.
    """

    name: str
    urls: tuple[str, ...] = ()
    checksums: tuple[str, ...] = ()
    exhaustive: bool = True


def locate(request: Request, alternatives: Sequence[RemoteFile], folders: Sequence[str] = ()) -> Path | None:
    """Find one of several equally good files and compare its checksum.

    Places: the paths given by the user, the data set's own folder, ``folders`` (disentanglement_lib's names) under the
    data folder, and the data folder itself.

    Raises:
        DataError: if a path given is another file, or ``request.verify`` and a checksum differs.
    """
    return locate_all(request, [alternatives], folders)[0]


def locate_all(
    request: Request, needed: Sequence[Sequence[RemoteFile]], folders: Sequence[str] = ()
) -> list[Path | None]:
    """Find all the files of a data set; places and errors as for `locate`."""
    given = _given(request, needed)
    return [given.get(place) or _lying(request, files, folders) for place, files in enumerate(needed)]


def _given(request: Request, needed: Sequence[Sequence[RemoteFile]]) -> dict[int, Path]:
    """Which of the needed files those are of which the user gives the paths."""
    given: dict[int, Path] = {}
    for path in request.files:
        place, file = _recognise(path, needed, request.info.title)
        if place in given:
            raise DataError(f"{given[place]} and {path} are both taken for {file.name}; give one of them")
        if request.verify:
            compare(path, file)
        given[place] = path
    return given


def _recognise(path: Path, needed: Sequence[Sequence[RemoteFile]], title: str) -> tuple[int, RemoteFile]:
    """A file is known by its name, or by its ending if that leaves no choice, else by its checksum."""
    candidates = [(place, file) for place, files in enumerate(needed) for file in files]
    fitting = [(place, file) for place, file in candidates if Path(file.name).suffix == path.suffix]
    for place, file in fitting:
        if file.name == path.name or len(fitting) == 1:
            return place, file
    for place, file in fitting:
        if _published(path, file):
            return place, file
    expected = names(needed[0]) if len(needed) == 1 else ", ".join(files[0].name for files in needed)
    raise DataError(f"{path} is not a file of {title}: need {expected}")


def _lying(request: Request, alternatives: Sequence[RemoteFile], folders: Sequence[str]) -> Path | None:
    for folder in (request.folder, *(request.data_dir / name for name in folders), request.data_dir):
        for file in alternatives:
            path = folder / file.name
            if path.is_file():
                if request.verify:
                    compare(path, file)
                return path
    return None


def names(alternatives: Sequence[RemoteFile]) -> str:
    """The names of equally good files, for a message."""
    return " or ".join(file.name for file in alternatives)


def compare(path: Path, file: RemoteFile) -> None:
    """Compare the checksum of a file on disk with the published ones.

    Raises:
        DataError: if it is none of them, and no others exist, or if it cannot be read.
    """
    found = _digests(path, file)
    if set(found) & set(file.checksums):
        return
    if found and file.exhaustive:
        algorithm, digest = found[0].split(":")
        expected = " or ".join(checksum.split(":")[1] for checksum in file.checksums)
        raise DataError(f"{path} is not the official file: {algorithm} {digest} instead of {expected}; get it again")
    known = "no checksum of it is published" if not found else f"{found[0]} is not among the published checksums"
    warnings.warn(f"{path}: {known}; only its format is checked", stacklevel=2)


def _published(path: Path, file: RemoteFile) -> bool:
    return bool(set(_digests(path, file)) & set(file.checksums))


def _digests(path: Path, file: RemoteFile) -> list[str]:
    """Checksums of a file on disk, of the kinds that are published."""
    try:
        algorithms = sorted({checksum.split(":")[0] for checksum in file.checksums})
        return [f"{algorithm}:{pooch.file_hash(path, alg=algorithm)}" for algorithm in algorithms]
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
