"""Registry of data sets: what each is, and the function that loads it.

No data set is imported here: whoever looks a name up (`disent_datasets.catalogue`) imports those that come with this
package first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.request import DatasetInfo, Request

Factory = Callable[[Request], FactorGrid]

MEMORY = "memory"
"""Source of a data set that its function reads or makes each time it is loaded."""


class Entry(NamedTuple):
    """A registered data set and the function that turns a request into its grid."""

    info: DatasetInfo
    factory: Factory


REGISTERED: dict[str, Entry] = {}


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
        needs_files: the sources that need original files, to be downloaded or put in place by hand.
        page: web page where those files are described.
        ambiguous: factors of which different values may look the same.
        nuisance: what is sampled anew for each batch, in words.
        stored: the data set whose images are stored, if this one is a view of another.
        on_demand: the sources of which nothing is stored: their images are made, or read, when they are asked for. By
            default that is ``"memory"`` if it is a source.
        version: raised when the same factors give another image; it enters the keys of runs on these images, and
            images stored under another version are not used.

    Raises:
        ValueError: if another function has registered the name, a factor or source named does not exist, a factor has
            one value only, or the version is not a whole number from 1 on.
    """
    if single := [factor for factor, size in zip(factors.names, factors.sizes, strict=True) if size == 1]:
        raise ValueError(f"factors: {single[0]} of {name} has one value, which no score can tell; leave it out")
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
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"version: a whole number from 1 on, got {version!r}")
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
        known = REGISTERED.get(name)
        if known is not None and _origin(known.factory) != _origin(factory):
            raise ValueError(f"name: data set {name!r} is already registered by {'.'.join(_origin(known.factory))}")
        REGISTERED[name] = Entry(info, factory)
        return factory

    return register


def _origin(factory: Factory) -> tuple[str, str]:
    return factory.__module__, factory.__qualname__
