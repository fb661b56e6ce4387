"""Names for methods, terms and data sets, added with decorators and looked up with "did you mean"."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from disent_datasets import register_dataset

__all__ = [
    "METHODS",
    "TERMS",
    "Entry",
    "Registry",
    "load_plugin",
    "register_dataset",
    "register_method",
    "register_term",
]

T = TypeVar("T", bound=Callable[..., Any])


class UnknownNameError(ValueError):
    """A name that is not registered; the message says what is."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Return the error for a ``name`` that is not among the ``known`` ones of its ``kind``."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f", did you mean '{close[0]}'?" if close else ";"
    return UnknownNameError(f"unknown {kind} '{name}'{hint} known: {', '.join(known)}")


@dataclass(frozen=True)
class Entry:
    """A registered factory with what a reader wants to know about it."""

    name: str
    factory: Callable[..., Any]
    paper: str
    summary: str


class Registry:
    """An ordered mapping from names to entries of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, *, paper: str = "") -> Callable[[T], T]:
        """Return a decorator that adds its object under ``name``.

        Raises:
            ValueError: if another object already has this name, or the name could not be typed in ``METHOD=a+b``.
        """
        if not name.isidentifier():
            raise ValueError(f"a {self.kind} is named like a Python identifier, not '{name}'")

        def add(factory: T) -> T:
            known = self._entries.get(name)
            # The same file loaded twice (a plugin in two processes' worth of tests) is no conflict.
            if known is not None and _origin(known.factory) != _origin(factory):
                raise ValueError(f"{self.kind} '{name}' is already registered by {_origin(known.factory)}")
            summary = (factory.__doc__ or "").strip().split("\n")[0]
            self._entries[name] = Entry(name, factory, paper, summary)
            return factory

        return add

    def __getitem__(self, name: str) -> Entry:
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def entries(self) -> list[Entry]:
        """All entries, in the order of registration."""
        return list(self._entries.values())


def _origin(factory: Callable[..., Any]) -> str:
    code = sys.modules.get(factory.__module__)
    return f"{getattr(code, '__file__', factory.__module__)}:{factory.__qualname__}"


METHODS = Registry("method")
TERMS = Registry("term")


def register_method(name: str, *, paper: str = "") -> Callable[[T], T]:
    """Register a method under ``name``: a recipe (see `disent_bench.methods`) or a `lightning.LightningModule`.

    A recipe is a frozen dataclass of hyperparameters with ``objective() -> Objective`` (a base method) or
    ``terms() -> list[Term]`` (a regulariser that fits any base). A LightningModule is constructed with
    ``image_shape=(c, h, w)``, trains by its own ``training_step`` and offers ``encode(images) -> codes``.
    """
    return METHODS.register(name, paper=paper)


def register_term(name: str, *, paper: str = "") -> Callable[[T], T]:
    """Register a `disent_bench.objective.Term` class under ``name``, which becomes its name in an objective."""
    register = TERMS.register(name, paper=paper)

    def add(term: T) -> T:
        term.name = name  # type: ignore[attr-defined]
        return register(term)

    return add


def load_plugin(path: str | Path) -> None:
    """Import the Python file ``path``, so that its decorators register what it defines.

    Raises:
        ValueError: if there is no such file, or it cannot be imported (the message carries the reason).
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"plugin '{path}' is not a file; give the path of a Python file")
    module_name = f"disent_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"plugin '{path}' is not a Python file; its name has to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their module up while they are defined
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise ValueError(f"plugin '{path}' failed to import: {type(error).__name__}: {error}") from error
