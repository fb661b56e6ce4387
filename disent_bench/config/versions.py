"""Versions of everything that trained weights depend on: numbers for what is ours, hashes of code for what is not."""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from disent_datasets import DatasetInfo

from disent_bench.config.method import Model, is_module
from disent_bench.config.settings import Settings
from disent_bench.objective import all_terms
from disent_bench.registry import BOTTLENECKS, METHODS, NETWORKS, TERMS, Entry, Registry

TRAINING_LOOP = 1
"""Raised when the loop itself changes what is trained: how gradients are combined, where random numbers come from."""

OURS = ("disent_bench", "disent_datasets", "disent_metrics")


def versions_of(
    parts: Sequence[str], model: Model | None, settings: Settings, dataset: DatasetInfo
) -> dict[str, int | str]:
    """Return the version of each registered thing that enters the training of a sum, by kind and name.

    A number is the version that ours carry. What a plug-in registered adds a hash of its file and of all files of the
    user's that it imports; what an installed package registered adds that package's version.

    Args:
        parts: names of the recipes, or of the LightningModule.
        model: what the recipes build; None for a LightningModule.
        settings: of the training.
        dataset: the data set.
    """
    used: list[tuple[Registry, str]] = [(METHODS, name) for name in parts]
    if model is not None:
        used += [(TERMS, term.name) for term in all_terms(model.objective)]
        used += [(BOTTLENECKS, model.bottleneck.name), (NETWORKS, settings.network)]
    entries = [(registry, registry[name]) for registry, name in used]
    found: dict[str, int | str] = {"training loop": TRAINING_LOOP} if model is not None else {}
    for registry, entry in entries:
        if registry is not METHODS or is_module(entry.name):
            found[f"{registry.kind} {entry.name}"] = entry.version
    found[f"data {dataset.name}"] = dataset.version
    origins = [_origin(entry) for _, entry in entries]
    return found | {f"code {name}": digest for name, digest in sorted(o for o in origins if o is not None)}


def _origin(entry: Entry) -> tuple[str, str] | None:
    """Name and hash, or version, of the code behind an entry; None for this package's own."""
    return code_of(entry.factory)


def code_of(factory: Callable[..., Any]) -> tuple[str, str] | None:
    """Return the name of the file, or the installed package, that defines ``factory``, and a hash, or its version.

    Nothing is returned for what belongs to this package.
    """
    package = factory.__module__.partition(".")[0]
    if package in OURS:
        return None
    file = getattr(sys.modules.get(factory.__module__), "__file__", None)
    if file is None:
        return factory.__module__, "without a file"
    if not _is_local(Path(file)):
        distribution = packages_distributions().get(package, [package])[0]
        return distribution, version(distribution)
    digest = hashlib.sha256()
    for path in sorted(set(_reachable(Path(file), set()))):
        digest.update(path.read_bytes())
    return Path(file).name, digest.hexdigest()[:12]


def _reachable(path: Path, seen: set[Path]) -> Iterator[Path]:
    """The file and every local file that it imports, however deep."""
    if path in seen:
        return
    seen.add(path)
    yield path
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file is not None and name.partition(".")[0] not in OURS and _is_local(Path(file)):
                yield from _reachable(Path(file), seen)


def _is_local(path: Path) -> bool:
    """Whether a file is the user's own: neither Python's nor of an installed package."""
    installed = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return path.suffix == ".py" and not any(path.is_relative_to(folder) for folder in installed)
