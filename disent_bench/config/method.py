"""Names of methods, and what they stand for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning import LightningModule

import disent_bench.methods  # noqa: F401 (fills the registry that is looked into here)
from disent_bench.bottlenecks.bottleneck import Bottleneck
from disent_bench.bottlenecks.gaussian import Gaussian
from disent_bench.objective import Objective
from disent_bench.plugins import blamed
from disent_bench.registry import BOTTLENECKS, METHODS
from disent_bench.signatures import argument_hints, changed

DEFAULT_BASE = "beta_tcvae"


@dataclass(frozen=True)
class Model:
    """What a sum of recipes trains: an objective, and the bottleneck that it reads.

    ``effective`` names the changed settings that differ from what the recipes give.
    """

    objective: Objective
    bottleneck: Bottleneck
    effective: frozenset[str] = frozenset()


def parse_method(text: str) -> list[str]:
    """Split ``a+b+c`` into registered names in canonical order: the base first, regularisers sorted.

    Raises:
        ValueError: if a name is unknown or appears twice, or the names do not make a sum.
    """
    names = [name.strip() for name in text.split("+")]
    for name in names:
        METHODS[name]
        if names.count(name) > 1:
            raise ValueError(f"method '{name}' appears twice in '{text}'; change its weight with --set instead")
    bases = [name for name in names if not is_regulariser(name)]
    if len(bases) > 1:
        raise ValueError(f"'{text}' has more than one base method: {', '.join(bases)}; keep one")
    if len(names) > 1 and bases and is_module(bases[0]):
        raise ValueError(
            f"'{bases[0]}' is a LightningModule of its own; regularisers fit methods that are sums of terms"
        )
    return bases + sorted(name for name in names if name not in bases)


def is_regulariser(name: str) -> bool:
    """Whether the method called ``name`` is added to a base."""
    return hasattr(METHODS[name].factory, "terms")


def is_module(name: str) -> bool:
    """Whether the method called ``name`` is a LightningModule of its own."""
    factory = METHODS[name].factory
    return inspect.isclass(factory) and issubclass(factory, LightningModule)


def with_base(names: Sequence[str]) -> list[str]:
    """Return the recipes of a sum: regularisers alone stand on the base that one of them names, else on the default."""
    if not is_regulariser(names[0]):
        return list(names)
    own = [getattr(METHODS[name].factory, "default_base", None) for name in names]
    return [next((base for base in own if base is not None), DEFAULT_BASE), *names]


def hyperparameters(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the hyperparameters of a method, with their defaults and with their type hints.

    Raises:
        ValueError: if one has no default.
    """
    factory = METHODS[name].factory
    hints = {key: hint for key, hint in argument_hints(factory).items() if key != "image_shape"}
    parameters = inspect.signature(factory).parameters
    missing = [key for key in hints if parameters[key].default is inspect.Parameter.empty]
    if missing:
        raise ValueError(f"method '{name}' has hyperparameters without a default: {', '.join(missing)}")
    return {key: parameters[key].default for key in hints}, hints


def training_of(names: Sequence[str]) -> dict[str, Any]:
    """Return the training settings that recipes carry.

    Raises:
        ValueError: if two recipes of a sum want different values.
    """
    settings: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name in names:
        for key, value in getattr(METHODS[name].factory, "training", {}).items():
            if settings.get(key, value) != value:
                raise ValueError(f"'{origin[key]}' trains with {key}={settings[key]}, '{name}' with {key}={value}")
            settings[key], origin[key] = value, name
    return settings


def build_model(
    recipes: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any]] | None = None
) -> Model:
    """Build objective and bottleneck of a sum, once, with fresh terms.

    Args:
        recipes: hyperparameters by method, the base first.
        changes: settings of terms and bottleneck by address, in place of what the recipes give.

    Raises:
        ValueError: if a recipe does not give what it should, or a change fits nothing.
    """
    with changed(changes or {}) as effective:
        built = {}
        for name, arguments in recipes.items():
            with blamed(f"method '{name}' cannot be built", spoken=True):
                try:
                    built[name] = METHODS[name].factory(**arguments)
                except ValueError as error:
                    raise ValueError(f"method '{name}': {error}") from error
        base, *regularisers = built
        with blamed(f"objective() of method '{base}' fails", spoken=True):
            objective = built[base].objective()
        if not isinstance(objective, Objective):
            raise ValueError(f"objective() of method '{base}' returns an Objective, not {objective!r}")
        if not [*objective]:
            raise ValueError(f"objective() of method '{base}' returns an Objective without a term")
        for name in regularisers:
            with blamed(f"terms() of method '{name}' fails", spoken=True):
                terms = built[name].terms()
            if not isinstance(terms, Sequence):
                raise ValueError(f"terms() of method '{name}' returns a list of terms, not {terms!r}")
            objective = Objective(*objective, *terms)
        given = [(name, built[name].bottleneck()) for name in built if hasattr(built[name], "bottleneck")]
        if len(given) > 1:
            raise ValueError(f"{', '.join(name for name, _ in given)} each bring a bottleneck of their own; keep one")
        for name, bottleneck in given:
            if not isinstance(bottleneck, Bottleneck):
                raise ValueError(f"bottleneck() of method '{name}' returns a Bottleneck, not {bottleneck!r}")
        model = Model(objective, given[0][1] if given else Gaussian(), frozenset(effective))
    BOTTLENECKS[model.bottleneck.name]
    return model
