"""What is known about a data set before it is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
        needs_files: the sources that need original files, to be downloaded or put in place by hand.
        page: web page where those files are described.
        ambiguous: factors of which different values may look the same.
        nuisance: what is sampled anew at each access, in words; empty if nothing is.
        stored: the data set whose images are stored, if this one is a view of another; else None.
        on_demand: the sources of which nothing is stored: their images are made, or read, when they are asked for.
        version: raised when the same factors give another image.
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
    needs_files: tuple[str, ...] = ()
    page: str = ""
    ambiguous: tuple[str, ...] = ()
    nuisance: str = ""
    stored: DatasetInfo | None = None
    on_demand: tuple[str, ...] = ()
    version: int = 1

    @property
    def nbytes(self) -> int:
        """Bytes of the images as they are stored: binary ones eight to a byte."""
        stored = self.stored or self
        return stored.space.size * math.prod(stored.shape) // (8 if stored.scale == 1 else 1)

    @property
    def offline(self) -> bool:
        """Whether the default source needs no original file."""
        return self.sources[0] not in self.needs_files


@dataclass(frozen=True)
class Request:
    """What a data set's factory is asked for: one source of it, under one data folder.

    ``files`` are paths of original files that the user has, to be read in place. ``image_size`` is the height and width
    that the images shall have, if it is not the registered one: a factory that can make such images does, those of the
    others are resized.
    """

    info: DatasetInfo
    source: str
    data_dir: Path
    verify: bool = True
    files: tuple[Path, ...] = ()
    image_size: int | None = None

    @property
    def folder(self) -> Path:
        """The data set's own folder."""
        return self.data_dir / self.info.name

    @property
    def storage(self) -> Request:
        """The request for the images that are stored: this one, unless the data set is a view of another."""
        return self if self.info.stored is None else replace(self, info=self.info.stored)
