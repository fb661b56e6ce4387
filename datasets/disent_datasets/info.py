"""What is known about a data set before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from disent_datasets.factors import FactorSpace


@dataclass(frozen=True)
class DatasetInfo:
    """A registered data set.

    Args:
        name: what `load` is called with.
        title: the name as papers write it.
        space: its ground-truth factors.
        shape: (h, w, c) of one image.
        sources: where images can come from; the first is the default.
        licence: licence of the images.
        citation: whom to cite.
        scale: the uint8 value that means 1.0; 1 says that the images are binary.
        fingerprints: SHA-256 of the uint8 images in index order, for the sources where it is known.
    """

    name: str
    title: str
    space: FactorSpace
    shape: tuple[int, int, int]
    sources: tuple[str, ...]
    licence: str
    citation: str
    scale: int = 255
    fingerprints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What a data set's factory is asked for: one source of it, under one data folder."""

    info: DatasetInfo
    source: str
    data_dir: Path
    verify: bool = True

    @property
    def folder(self) -> Path:
        """The data set's own folder."""
        return self.data_dir / self.info.name
