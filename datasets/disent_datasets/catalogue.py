"""Data sets by name: load, prepare, verify; looking one up imports those that come with this package."""

from __future__ import annotations

import difflib
import functools
import importlib
import os
import pkgutil
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from disent_datasets.errors import DataError
from disent_datasets.grid import FactorGrid
from disent_datasets.imported import Imported, import_files, imported
from disent_datasets.own_files import opened
from disent_datasets.registry import REGISTERED, Entry, Factory
from disent_datasets.request import DatasetInfo, Request
from disent_datasets.resized import check_size, with_size
from disent_datasets.storage.stored import read


def names(data_dir: str | Path | None = None) -> list[str]:
    """Names of all data sets, sorted: those that are registered, and those imported into the data folder."""
    return sorted(_known(data_dir))


def info(name: str, data_dir: str | Path | None = None) -> DatasetInfo:
    """What is known about a data set without loading it.

    Raises:
        ValueError: if no data set has this name.
    """
    return _lookup(name, data_dir).info


def import_data(
    name: str,
    file: str | Path,
    *,
    data_dir: str | Path | None = None,
    factors: str | Path | None = None,
    factor_names: Sequence[str] = (),
    bins: Mapping[str, int] | None = None,
    title: str = "",
    licence: str = "",
    citation: str = "",
) -> Imported:
    """Store images and factors of your own as a data set, which everything here then knows by its name.

    Args:
        name: what it is to be called: a-z, 0-9, _ and -.
        file: an .npz or .h5 file with arrays ``images`` and ``factors``, or a folder of pictures with a ``factors.csv``
            that names each in its column ``file``. Images are square, grey or RGB: of 8 or 16 bit, or real numbers of
            0..1 in arrays (n, h, w), (n, h, w, c) or (n, c, h, w). Factors are numbers or words; their distinct values,
            in order, become ``0 .. size - 1``.
        data_dir: data folder, as for `load`.
        factors: a CSV file with a column for each factor, if they are not with the images.
        factor_names: columns to take, or, of an array without names, what its columns are called.
        bins: factors to be cut into so many intervals of equal width. Of images that share a combination then, the
            first is kept.
        title: the name as papers write it.
        licence: of the images.
        citation: whom to cite.

    Raises:
        ValueError: if the name is taken or cannot be one, or ``bins`` names no factor.
        DataError: if the files do not hold that, or cannot be stored.
    """
    _import_sets()
    if name in REGISTERED:
        raise ValueError(f"name: there is a data set {name} already; take another name")
    table = None if factors is None else Path(factors).expanduser()
    files = opened(Path(file).expanduser(), table, factor_names)
    words = {"title": title, "licence": licence, "citation": citation}
    return import_files(name, files, data_folder(data_dir), bins or {}, words)


def load(
    name: str,
    *,
    data_dir: str | Path | None = None,
    source: str | None = None,
    verify: bool = True,
    files: Sequence[str | Path] = (),
    image_size: int | None = None,
) -> FactorGrid:
    """Load a data set, making and storing it first if that has not been done.

    Args:
        name: a registered data set.
        data_dir: data folder; else ``$DISENT_DATA``, else ``data`` in the working folder, else one in the user's cache.
        source: one of the data set's sources, for dSprites ``"drawn"`` or ``"official"``; else its first.
        verify: compare checksums of stored and original files; False skips that, with a warning.
        files: paths of original files that you have, used instead of a download; read in place, never changed.
        image_size: height and width of the images if not as registered: look-alikes are rendered in this size, images
            of other sets resized (`disent_datasets.resized`), in both cases each time they are asked for.

    Raises:
        ValueError: if the name or the source is unknown, files are given that are not there or not needed, the image
            size is out of range, or the images are not square.
        DataError: if the data are missing, damaged or cannot be stored.
    """
    request, factory = _request(name, data_dir, source, verify)
    if image_size is not None:
        check_size(image_size)
    request = replace(request, files=_existing(files, request), image_size=image_size)
    if not verify:
        warnings.warn(f"verify=False: checksums of {name} ({request.source}) are not compared", stacklevel=2)
    return with_size(_made(factory, request), image_size)


def _made(factory: Factory, request: Request) -> FactorGrid:
    """What a registered function returns, which may be anybody's, or one line that says what is wrong with it."""
    name = request.info.name
    try:
        grid = factory(request)
    except (ValueError, OSError, Warning):
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise DataError(f"{name}: {type(error).__name__}: {error} ({frame.filename}:{frame.lineno})") from error
    if not isinstance(grid, FactorGrid):
        raise DataError(f"{name}: its registered function returns a FactorGrid, not {type(grid).__name__}")
    return grid


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
    return read(request.storage, thorough=True)


def is_prepared(name: str, *, data_dir: str | Path | None = None, source: str | None = None) -> bool:
    """Whether a data set is stored, by the look of its files (`verify` reads them)."""
    try:
        read(replace(_request(name, data_dir, source, True)[0].storage, verify=False))
    except DataError:
        return False
    return True


def data_folder(data_dir: str | Path | None = None) -> Path:
    """The data folder: the argument, else ``$DISENT_DATA``, else ``data`` if there is one, else the user's cache."""
    named = data_dir or os.environ.get("DISENT_DATA")
    if named or Path("data").is_dir():
        return Path(named or "data").expanduser()
    import pooch  # imported where it is needed: it costs more than the rest of this module

    return Path(pooch.os_cache("disent-bench"))


def _request(name: str, data_dir: str | Path | None, source: str | None, verify: bool) -> tuple[Request, Factory]:
    known, factory = _lookup(name, data_dir)
    source = source or known.sources[0]
    if source not in known.sources:
        raise ValueError(f"source: data set {name!r} has no source {source!r}; known: {', '.join(known.sources)}")
    return Request(known, source, data_folder(data_dir), verify), factory


def _lookup(name: str, data_dir: str | Path | None) -> Entry:
    known = _known(data_dir)
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=1)
        guess = f", did you mean {close[0]!r}?" if close else ";"
        raise ValueError(f"unknown data set {name!r}{guess} known: {', '.join(sorted(known))}")
    return known[name]


def _known(data_dir: str | Path | None) -> dict[str, Entry]:
    _import_sets()
    found = imported(data_folder(data_dir))
    if taken := sorted(found.keys() & REGISTERED.keys()):
        raise ValueError(
            f"data set {taken[0]!r} is registered, and another was imported under its name; delete the folder "
            f"{data_folder(data_dir) / taken[0]}, and import it under another"
        )
    return REGISTERED | found


@functools.cache
def _import_sets() -> None:
    sets = importlib.import_module("disent_datasets.sets")
    for module in pkgutil.iter_modules(sets.__path__):
        importlib.import_module(f"{sets.__name__}.{module.name}")
