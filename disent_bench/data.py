"""Data sets as the command line shows, makes and checks them."""

from __future__ import annotations

from pathlib import Path

import disent_datasets
from disent_datasets import names

__all__ = ["listing", "names", "prepare", "verify"]


def listing(data_dir: Path | None = None) -> str:
    """Return every data set with its sources, whether each is stored, images, licence and citation."""
    lines = []
    for name in names():
        info = disent_datasets.info(name)
        height, width, channels = info.shape
        stored = [f"{source} ({_state(name, source, data_dir)})" for source in info.sources]
        factors = ", ".join(f"{n} {s}" for n, s in zip(info.space.names, info.space.sizes, strict=True))
        lines += [
            f"{name}: {info.title}, {info.space.size:,} images {height}x{width}x{channels}",
            f"  factors: {factors}",
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
    """Check a stored data set against its checksums, and return a line about it."""
    grid = disent_datasets.verify(name, data_dir=data_dir, source=source)
    return f"{name} ({grid.source}) is intact: {len(grid):,} images, SHA-256 {grid.fingerprint}"


def _state(name: str, source: str, data_dir: Path | None) -> str:
    return "stored" if disent_datasets.is_prepared(name, data_dir=data_dir, source=source) else "not stored"
