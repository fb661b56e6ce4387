"""Data sets as the command line shows, makes and checks them."""

from __future__ import annotations

from pathlib import Path

import disent_datasets
from disent_datasets import DatasetInfo, names
from disent_datasets.cache import MissingError

__all__ = ["listing", "names", "prepare", "verify"]


def listing(data_dir: Path | None = None) -> str:
    """Return every data set with its sources, whether each is stored, images, licence and citation."""
    lines = []
    for name in names():
        info = disent_datasets.info(name)
        height, width, channels = info.shape
        stored = [f"{source} ({_state(info, source, data_dir)})" for source in info.sources]
        factors = ", ".join(f"{n} {s}" for n, s in zip(info.space.names, info.space.sizes, strict=True))
        lines += [
            f"{name}: {info.title}, {info.space.size:,} images {height}x{width}x{channels}",
            f"  factors: {factors}",
            *([f"  drawn anew for each batch: {info.nuisance}"] if info.nuisance else []),
            f"  sources: {', '.join(stored)}",
            f"  licence: {info.licence}",
            f"  cite:    {info.citation}",
        ]
    return "\n".join([*lines, f"data folder: {disent_datasets.data_folder(data_dir)}"])


def prepare(name: str, data_dir: Path | None = None, source: str | None = None) -> str:
    """Make and store a data set, and return a line about it."""
    grid = disent_datasets.load(name, data_dir=data_dir, source=source)
    return f"{name} ({grid.source}) is ready: {len(grid):,} images, SHA-256 {grid.fingerprint}"


def verify(name: str, data_dir: Path | None = None, source: str | None = None) -> str:
    """Check what is stored of a data set against its checksums, and return a line about each source.

    Without ``source`` every stored source is checked, and if there are two, they are compared pixel by pixel.

    Raises:
        ValueError: if there is no such data set or source.
        DataError: if nothing is stored, or something is damaged.
    """
    grids, missing = [], []
    for each in [source] if source else disent_datasets.info(name).sources:
        try:
            grids.append(disent_datasets.verify(name, data_dir=data_dir, source=each))
        except MissingError as error:
            missing.append(error)
    if not grids:
        raise missing[0]
    lines = [f"{name} ({g.source}) is intact: {len(g):,} images, SHA-256 {g.fingerprint}" for g in grids]
    lines += [
        f"{name}: {grids[0].source} and {other.source}: {disent_datasets.compare(grids[0], other)}"
        for other in grids[1:]
    ]
    return "\n".join(lines)


def _state(info: DatasetInfo, source: str, data_dir: Path | None) -> str:
    if disent_datasets.is_prepared(info.name, data_dir=data_dir, source=source):
        return f"stored, {info.nbytes / 1e6:,.0f} MB"
    return f"not stored; needs files from {info.page}" if source in info.needs_files else "not stored"
