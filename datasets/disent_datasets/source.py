"""Data sets by name: register, load, prepare, verify."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from disent_datasets import cache
from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.info import DatasetInfo, Request

Factory = Callable[[Request], FactorGrid]

MEMORY = "memory"
"""Source of a data set that its function reads or makes each time it is loaded."""

_REGISTRY: dict[str, tuple[DatasetInfo, Factory]] = {}


def register_dataset(
    name: str,
    *,
    title: str,
    factors: FactorSpace,
    shape: tuple[int, int, int],
    licence: str,
    citation: str,
    sources: Sequence[str] = (MEMORY,),
    scale: int = 255,
    fingerprints: Mapping[str, str] | None = None,
    needs_files: Sequence[str] = (),
    page: str = "",
    ambiguous: Sequence[str] = (),
    nuisance: str = "",
    stored: DatasetInfo | None = None,
    on_demand: Sequence[str] | None = None,
    version: int = 1,
) -> Callable[[Factory], Factory]:
    """Register a data set: the decorated function turns a `Request` into its `FactorGrid`.

    Args:
        name: what `load` will be called with.
        title: the name as papers write it.
        factors: its ground-truth factors, in storage order.
        shape: (h, w, c) of one image.
        licence: licence of the images.
        citation: whom to cite.
        sources: where images can come from; the first is the default.
        scale: the uint8 value that means 1.0; 1 says that the images are binary.
        fingerprints: SHA-256 of the uint8 images in index order, for the sources where it is known.
        needs_files: the sources that need files of others, to be downloaded or put in place by hand.
        page: web page where those files are described.
        ambiguous: factors of which different values may look the same.
        nuisance: what is drawn anew each time an image is asked for, in words.
        stored: the data set whose images are stored, if this one is a view of another.
        on_demand: the sources of which nothing is stored: their images are made, or read, when they are asked for. By
            default that is ``"memory"`` if it is a source.
        version: raised when the same factors give another image; it enters the keys of runs on these images.

    Raises:
        ValueError: if another function has registered the name, or a factor or source named does not exist.
    """
    if on_demand is None:
        on_demand = [MEMORY] if MEMORY in sources else []
    for argument, given, known in (
        ("on_demand", on_demand, sources),
        ("ambiguous", ambiguous, factors.names),
        ("needs_files", needs_files, sources),
        ("fingerprints", fingerprints or {}, sources),
    ):
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"{argument}: {', '.join(unknown)} is not among {', '.join(known)}")
    info = DatasetInfo(
        name,
        title,
        factors,
        shape,
        tuple(sources),
        licence,
        citation,
        scale,
        dict(fingerprints or {}),
        needs_files=tuple(needs_files),
        page=page,
        ambiguous=tuple(ambiguous),
        nuisance=nuisance,
        stored=stored,
        on_demand=tuple(on_demand),
        version=version,
    )

    def register(factory: Factory) -> Factory:
        known = _REGISTRY.get(name)
        if known is not None and _origin(known[1]) != _origin(factory):
            raise ValueError(f"name: data set {name!r} is already registered by {'.'.join(_origin(known[1]))}")
        _REGISTRY[name] = (info, factory)
        return factory

    return register


def _origin(factory: Factory) -> tuple[str, str]:
    return factory.__module__, factory.__qualname__


def names() -> list[str]:
    """Names of all registered data sets, sorted."""
    return sorted(_REGISTRY)


def info(name: str) -> DatasetInfo:
    """What is known about a data set without loading it.

    Raises:
        ValueError: if no data set has this name.
    """
    return _lookup(name)[0]


def load(
    name: str,
    *,
    data_dir: str | Path | None = None,
    source: str | None = None,
    verify: bool = True,
    files: Sequence[str | Path] = (),
) -> FactorGrid:
    """Load a data set, making and storing it first if that has not been done.

    Args:
        name: a registered data set.
        data_dir: data folder; else the environment variable DISENT_DATA, else ``data`` in the working folder.
        source: one of the data set's sources, for dSprites ``"drawn"`` or ``"official"``; else its first.
        verify: compare checksums of stored and original files; False skips that, with a warning.
        files: paths of original files that you have, used instead of a download; read where they lie, never changed.

    Raises:
        ValueError: if the name or the source is unknown, or files are given that are not there or not needed.
        DataError: if the data are missing, damaged or cannot be stored.
    """
    request, factory = _request(name, data_dir, source, verify)
    request = replace(request, files=_existing(files, request))
    if not verify:
        warnings.warn(f"verify=False: checksums of {name} ({request.source}) are not compared", stacklevel=2)
    return factory(request)


def _existing(files: Sequence[str | Path], request: Request) -> tuple[Path, ...]:
    info = request.info
    if files and request.source not in info.needs_files:
        hint = f"; its source {info.needs_files[0]!r} does" if info.needs_files else ""
        raise ValueError(f"files: {info.name} ({request.source}) needs no file{hint}")
    paths = tuple(Path(file).expanduser() for file in files)
    for path in paths:
        if not path.is_file():
            raise ValueError(f"files: {path} is {'not a file' if path.exists() else 'not there'}")
    return paths


def prepare(
    name: str,
    *,
    data_dir: str | Path | None = None,
    source: str | None = None,
    verify: bool = True,
    files: Sequence[str | Path] = (),
) -> None:
    """Make and store a data set if that has not been done; arguments and errors as for `load`."""
    load(name, data_dir=data_dir, source=source, verify=verify, files=files)


def verify(name: str, *, data_dir: str | Path | None = None, source: str | None = None) -> FactorGrid:
    """Compare all that is stored of a data set with the checksums it was written with, changing nothing.

    Returns:
        The stored grid; of a view such as ``color_dsprites`` the one that it looks at.

    Raises:
        ValueError: if the name or the source is unknown, or nothing is ever stored of the source.
        DataError: if nothing is stored, or it is damaged.
    """
    request = _request(name, data_dir, source, True)[0]
    if request.source in request.info.on_demand:
        raise ValueError(f"source: nothing is stored of {name} ({request.source}), so there is nothing to verify")
    return cache.read(request.storage, thorough=True)


def is_prepared(name: str, *, data_dir: str | Path | None = None, source: str | None = None) -> bool:
    """Whether a data set is stored, by the look of its files (`verify` reads them)."""
    try:
        cache.read(replace(_request(name, data_dir, source, True)[0].storage, verify=False))
    except DataError:
        return False
    return True


def begun(name: str, *, data_dir: str | Path | None = None, source: str | None = None) -> int:
    """How many images a preparation that was cut off has left, with which the next one goes on."""
    return cache.begun(_request(name, data_dir, source, True)[0].storage)


def data_folder(data_dir: str | Path | None = None) -> Path:
    """The data folder: the argument, else the environment variable DISENT_DATA, else ``data``."""
    return Path(data_dir or os.environ.get("DISENT_DATA") or "data").expanduser()


def _request(name: str, data_dir: str | Path | None, source: str | None, verify: bool) -> tuple[Request, Factory]:
    known, factory = _lookup(name)
    source = source or known.sources[0]
    if source not in known.sources:
        raise ValueError(f"source: data set {name!r} has no source {source!r}; known: {', '.join(known.sources)}")
    return Request(known, source, data_folder(data_dir), verify), factory


def _lookup(name: str) -> tuple[DatasetInfo, Factory]:
    if name not in _REGISTRY:
        close = difflib.get_close_matches(str(name), _REGISTRY, n=1)
        guess = f", did you mean {close[0]!r}?" if close else ";"
        raise ValueError(f"unknown data set {name!r}{guess} known: {', '.join(names())}")
    return _REGISTRY[name]
