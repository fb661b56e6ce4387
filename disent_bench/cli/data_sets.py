"""Data sets as the command line shows, makes and checks them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import disent_datasets
from disent_datasets import DatasetInfo, MissingError, names

__all__ = ["listing", "names", "prepare", "verify"]


def listing(data_dir: Path | None = None) -> str:
    """Return every data set with its sources, whether each is prepared, images, licence and citation."""
    lines = []
    for name in names():
        info = disent_datasets.info(name)
        height, width, channels = info.shape
        sources = [f"{source} ({_state(info, source, data_dir)})" for source in info.sources]
        factors = ", ".join(f"{n} {s}" for n, s in zip(info.space.names, info.space.sizes, strict=True))
        lines += [
            f"{name}: {info.title}, {info.space.size:,} images {height}x{width}x{channels}",
            f"  factors: {factors}",
            *([f"  sampled anew for each batch: {info.nuisance}"] if info.nuisance else []),
            f"  sources: {', '.join(sources)}",
            f"  licence: {info.licence}",
            f"  cite:    {info.citation}",
        ]
    return "\n".join([*lines, f"data folder: {disent_datasets.data_folder(data_dir)}"])


def prepare(
    name: str, data_dir: Path | None = None, source: str | None = None, *, files: Sequence[str | Path] = ()
) -> str:
    """Make and store a data set, from ``files`` if they are given, and return a line about it."""
    grid = disent_datasets.load(name, data_dir=data_dir, source=source, files=files)
    info = disent_datasets.info(name)
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
    info = disent_datasets.info(name)
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


def _size(info: DatasetInfo) -> str:
    return f"{info.nbytes / 1e6:,.0f} MB"
