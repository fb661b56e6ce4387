"""Names for methods, terms, bottlenecks and networks, added with decorators and looked up with "did you mean".

Nothing of ours is imported here: whoever looks a name up imports the package that fills the registry first.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar

LONGEST_NAME = 80
"""Letters of a name that a message repeats."""
T = TypeVar("T", bound=Callable[..., Any])


class UnknownNameError(ValueError):
    """A name that is not registered; the message says what is."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Return the error for a ``name`` that is not among the ``known`` ones of its ``kind``."""
    known = sorted(known)
    # beta stands for methods.beta_vae.beta before it is a misspelt beta2
    close = [each for each in known if each.rpartition(".")[2] == name] or difflib.get_close_matches(name, known, n=1)
    hint = f", did you mean '{close[0]}'?" if close else ";"
    return UnknownNameError(
        f"unknown {kind} '{name[:LONGEST_NAME]}'{hint} known: {_listed(known, 120 if close else 250)}"
    )


def _listed(names: Sequence[str], room: int) -> str:
    """As many names as there is room for."""
    shown = [name for name, end in zip(names, accumulate(len(name) + 2 for name in names), strict=True) if end <= room]
    return ", ".join(shown) + (f", and {len(names) - len(shown)} more" if len(shown) < len(names) else "")


def import_modules(package: str) -> None:
    """Import every module in the folder of ``package``, so that a new file there is found without being named."""
    for module in pkgutil.iter_modules(sys.modules[package].__path__):
        importlib.import_module(f"{package}.{module.name}")


@dataclass(frozen=True)
class Entry:
    """A registered factory with what a reader wants to know about it.

    Attributes:
        name: what it is called.
        factory: the class or function.
        paper: its source.
        version: number of its mathematics; what was computed under another one is not comparable.
        summary: first line of its docstring.
    """

    name: str
    factory: Callable[..., Any]
    paper: str
    version: int
    summary: str


class Registry:
    """An ordered mapping from names to entries of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, *, paper: str = "", version: int = 1) -> Callable[[T], T]:
        """Return a decorator that adds its object under ``name``.

        Raises:
            ValueError: if another object already has this name, the name could not be typed in ``METHOD=a+b``, or the
                version is not a whole number from 1 on.
        """
        if not name.isidentifier():
            raise ValueError(f"a {self.kind} is named like a Python identifier, not '{name}'")
        if not isinstance(version, int) or version < 1:
            raise ValueError(f"version of {self.kind} '{name}' is a whole number from 1 on, not {version!r}")

        def add(factory: T) -> T:
            known = self._entries.get(name)
            # The same file loaded twice (a plug-in in two processes' worth of tests) is no conflict.
            if known is not None and _origin(known.factory) != _origin(factory):
                raise ValueError(f"{self.kind} '{name}' is already registered by {_origin(known.factory)}")
            summary = (factory.__doc__ or "").strip().split("\n")[0]
            self._entries[name] = Entry(name, factory, paper, version, summary)
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
BOTTLENECKS = Registry("bottleneck")
NETWORKS = Registry("network")


def register_method(name: str, *, paper: str = "", version: int = 1) -> Callable[[T], T]:
    """Register a method under ``name``: a recipe (see `disent_bench.methods`) or a `lightning.LightningModule`.

    A recipe is a frozen dataclass of hyperparameters with ``objective() -> Objective`` (a base method) or
    ``terms() -> list[Term]`` (a regulariser that fits any base). It may have ``bottleneck() -> Bottleneck`` and a
    mapping ``training`` of settings that it trains with unless protocol or user say otherwise. A LightningModule is
    constructed with ``image_shape=(c, h, w)``, trains by its own ``training_step`` and offers
    ``encode(images) -> codes``.

    Raises:
        ValueError: as `Registry.register`, and if what is decorated is neither.
    """
    register = METHODS.register(name, paper=paper, version=version)

    def add(factory: T) -> T:
        if not inspect.isclass(factory):
            raise ValueError(f"method '{name}' is a class, a recipe or a LightningModule, not {_described(factory)}")
        recipe = [part for part in ("objective", "terms") if callable(getattr(factory, part, None))]
        if _is_a(factory, "lightning", "LightningModule"):
            if not callable(getattr(factory, "encode", None)):
                raise ValueError(f"method '{name}', {_described(factory)}, lacks encode(images) -> codes")
        elif len(recipe) != 1:
            has = "both objective() and terms()" if recipe else "neither objective() nor terms()"
            raise ValueError(
                f"method '{name}', {_described(factory)}, has {has}; a base method has objective() -> Objective, a "
                "regulariser terms() -> list[Term], and anything else is a LightningModule"
            )
        return register(factory)

    return add


def register_term(name: str, *, paper: str = "", version: int = 1) -> Callable[[T], T]:
    """Register a `disent_bench.objective.Term` class under ``name``, which becomes its name in an objective.

    Raises:
        ValueError: as `Registry.register`, and if what is decorated is no such class.
    """
    return _named(TERMS, name, "disent_bench.objective", "Term", paper, version)


def register_bottleneck(name: str, *, paper: str = "", version: int = 1) -> Callable[[T], T]:
    """Register a `disent_bench.bottlenecks.bottleneck.Bottleneck` class under ``name``.

    Raises:
        ValueError: as `Registry.register`, and if what is decorated is no such class.
    """
    return _named(BOTTLENECKS, name, "disent_bench.bottlenecks", "Bottleneck", paper, version)


def register_network(name: str, *, paper: str = "", version: int = 1) -> Callable[[T], T]:
    """Register a function ``(image_shape, latent_dim) -> (encoder, decoder)`` under ``name``.

    ``image_shape`` is ``(channels, height, width)``. The encoder maps images ``(b, c, h, w)`` in [0, 1] to features
    ``(b, 2 * latent_dim)``, the decoder latents ``(b, latent_dim)`` to logits ``(b, c, h, w)``; it may be None. A
    function with an argument ``num_features`` is told how many features the bottleneck takes, and serves them all. A
    decoder with ``latent_norms() -> (latent_dim,)`` lets terms choose latents by their weight in it, one with
    ``activations(z) -> layers`` shows them its hidden layers. An encoder or decoder whose ``per_image`` is true treats
    images one by one and draws nothing at random (no batch norm, no dropout): processors compute its batches in parts,
    with the same numbers on any number of threads. What a network cannot do, another size of image say, it refuses with
    a ValueError that says what it can.

    Raises:
        ValueError: as `Registry.register`.
    """
    return NETWORKS.register(name, paper=paper, version=version)


def _named(registry: Registry, name: str, module: str, base: str, paper: str, version: int) -> Callable[[T], T]:
    register = registry.register(name, paper=paper, version=version)

    def add(factory: T) -> T:
        if not _is_a(factory, module, base):
            raise ValueError(
                f"{registry.kind} '{name}' is a subclass of disent_bench.{base}, not {_described(factory)}"
            )
        factory.name = name  # type: ignore[attr-defined]
        return register(factory)

    return add


def _is_a(factory: object, module: str, base: str) -> bool:
    """Whether a class descends from the one called ``base`` below ``module``, which is not imported for that."""
    classes = factory.__mro__ if inspect.isclass(factory) else ()
    return any(each.__name__ == base and each.__module__.startswith(module) for each in classes)


def _described(factory: Any) -> str:
    kind = "class" if inspect.isclass(factory) else type(factory).__name__
    name = getattr(factory, "__qualname__", repr(factory))
    try:
        line = inspect.getsourcelines(factory)[1]
    except (OSError, TypeError):
        return f"{kind} {name}"
    return f"{kind} {name} ({sys.modules[factory.__module__].__file__}:{line})"
