"""Data sets as the command line shows, makes and checks them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import disent_datasets
from disent_datasets import DatasetInfo, MissingError, names
from disent_datasets.imported import SOURCE

__all__ = ["import_own", "listing", "names", "prepare", "verify"]

VALUES_SHOWN = 6
"""Values of a factor that are written out."""


def listing(data_dir: Path | None = None) -> str:
    """Return every data set with its sources, whether each is prepared, images, licence and citation."""
    lines = []
    for name in names(data_dir):
        info = disent_datasets.info(name, data_dir)
        height, width, channels = info.shape
        sources = [f"{source} ({_state(info, source, data_dir)})" for source in info.sources]
        factors = ", ".join(f"{n} {s}" for n, s in zip(info.space.names, info.space.sizes, strict=True))
        lines += [
            f"{name}: {info.title}, {_images(info)} {height}x{width}x{channels}",
            f"  factors: {factors}",
            *([f"  sampled anew for each batch: {info.nuisance}"] if info.nuisance else []),
            f"  sources: {', '.join(sources)}",
            f"  licence: {info.licence}",
            f"  cite:    {info.citation}",
        ]
    return "\n".join([*lines, f"data folder: {disent_datasets.data_folder(data_dir)}"])


def import_own(name: str, file: str | Path, *, bins: Sequence[str] = (), **options: Any) -> str:
    """Store images and factors of the user's as a data set, and return lines about it.

    Args:
        name: what it is to be called.
        file: the images.
        bins: as typed, ``size=10``.
        options: others of `disent_datasets.import_data`.

    Raises:
        ValueError, DataError: as of `disent_datasets.import_data`.
    """
    counts = {}
    for each in bins:
        factor, _, count = each.rpartition("=")
        if not factor or not count.isdecimal():
            raise ValueError(f"--bins takes FACTOR=NUMBER, such as size=10, not {each!r}")
        counts[factor] = int(count)
    made = disent_datasets.import_data(name, file, bins=counts, **options)
    height, width, channels = made.info.shape
    lines = [f"{name} is imported: {made.count:,} images {height}x{width}x{channels}"]
    for factor, values in made.values.items():
        shown = [*values[: VALUES_SHOWN - 2], "...", values[-1]] if len(values) > VALUES_SHOWN else values
        lines.append(f"  {factor}: {len(values)} values, {', '.join(shown)}")
    lines += [f"  {note}" for note in made.notes]
    elsewhere = f" --data-dir {options['data_dir']}" if options.get("data_dir") else ""
    return "\n".join([*lines, f"use it as any other: disent-bench run --method beta_vae --dataset {name}{elsewhere}"])


def prepare(
    name: str, data_dir: Path | None = None, source: str | None = None, *, files: Sequence[str | Path] = ()
) -> str:
    """Make and store a data set, from ``files`` if they are given, and return a line about it."""
    grid = disent_datasets.load(name, data_dir=data_dir, source=source, files=files)
    info = disent_datasets.info(name, data_dir)
    if grid.source in info.on_demand:
        return f"{name} ({grid.source}) is ready: {len(grid):,} images; {_on_demand(info)}"
    return f"{name} ({grid.source}) is ready: {len(grid):,} images, SHA-256 {grid.fingerprint}"


def verify(name: str, data_dir: Path | None = None, source: str | None = None) -> str:
    """Check what is stored of a data set against its checksums, and return a line about each source.

    Without ``source`` every stored source is checked, and if there are two, they are compared pixel by pixel.

    Raises:
        ValueError: if there is no such data set or source.
        DataError: if nothing is stored, though it could be, or something is damaged.
    """
    info = disent_datasets.info(name, data_dir)
    grids, missing = [], []
    for each in [source] if source else info.sources:
        if each in info.on_demand:
            continue
        try:
            grids.append(disent_datasets.verify(name, data_dir=data_dir, source=each))
        except MissingError as error:
            missing.append(error)
    if not grids and (source or info.sources[0]) in info.on_demand:
        return f"{name} ({source or info.sources[0]}): nothing to verify; {_on_demand(info)}"
    if not grids:
        raise missing[0]
    lines = [f"{name} ({g.source}) is intact: {len(g):,} images, SHA-256 {g.fingerprint}" for g in grids]
    lines += [
        f"{name}: {grids[0].source} and {other.source}: {disent_datasets.compare(grids[0], other)}"
        for other in grids[1:]
    ]
    return "\n".join(lines)


def _on_demand(info: DatasetInfo) -> str:
    """What it means that a source is on demand, and how to store the images instead."""
    meaning = "each image is made when it is asked for, and none is stored"
    for source in info.sources:
        if source not in info.on_demand:
            command = f"disent-bench data prepare {info.name} --source {source}"
            return f"{meaning}; to store them all once ({_size(info)}): {command}"
    return meaning


def _state(info: DatasetInfo, source: str, data_dir: Path | None) -> str:
    if source in info.on_demand:
        return "made on demand, nothing to store"
    if disent_datasets.is_prepared(info.name, data_dir=data_dir, source=source):
        return f"stored, {_size(info)}"
    needs = f"; needs files from {info.page}" if source in info.needs_files else ""
    return f"not yet prepared, {_size(info)}{needs}"


def _images(info: DatasetInfo) -> str:
    count, combinations = info.space.size, ""
    if info.stored is not None and info.sources == (SOURCE,) and info.stored.space.size < count:
        count, combinations = info.stored.space.size, f" of {count:,} combinations"
    return f"{count:,} images{combinations}"


def _size(info: DatasetInfo) -> str:
    return f"{info.nbytes / 1e6:,.0f} MB"
