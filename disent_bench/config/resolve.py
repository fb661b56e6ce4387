"""From what a user types to everything that a run depends on."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import disent_datasets
import torch
from disent_metrics.protocol import ScoreProtocol
from lightning import LightningModule

from disent_bench.config.protocols import load_protocol
from disent_bench.module import Training, resolve_precision
from disent_bench.objective import Objective, term_arguments
from disent_bench.registry import METHODS, unknown_name
from disent_bench.signatures import argument_hints, check_type

DEFAULT_BASE = "beta_tcvae"
Tree = dict[str, Any]


@dataclass(frozen=True)
class Settings(Training):
    """Settings of a run beside its method: those of the optimisation, and its schedule.

    Attributes:
        steps: optimiser steps.
        batch_size: images per step.
        sampler: which images a batch has: uniform, epochs, pairs, correlated or held_out (`disent_datasets.samplers`).
        sampler_options: the sampler's own arguments.
        log_every: steps between two logged lines.
        checkpoint_every: steps between two checkpoints.
        evaluate_every: steps between two evaluations during training; 0 for none.
        evaluate_during: names of the scores computed during training.
    """

    steps: int = 300_000
    batch_size: int = 64
    sampler: str = "uniform"
    sampler_options: Mapping[str, Any] = field(default_factory=dict)
    log_every: int = 50
    checkpoint_every: int = 5_000
    evaluate_every: int = 0
    evaluate_during: tuple[str, ...] = ("mig",)

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "latent_dim", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        if self.evaluate_every < 0:
            raise ValueError(f"evaluate_every is 0 (never) or a number of steps, not {self.evaluate_every}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is above 0, not {self.learning_rate}")

    @property
    def training(self) -> Training:
        """The part that the training module reads."""
        return Training(**{name: getattr(self, name) for name in TRAINING_NAMES})


TRAINING_NAMES = tuple(f.name for f in fields(Training))
SCHEDULE_NAMES = ("log_every", "checkpoint_every", "evaluate_every", "evaluate_during")


@dataclass(frozen=True)
class RunConfig:
    """Everything that a run depends on, resolved, save its seed and the content of its data.

    Attributes:
        method: canonical name, base first, regularisers sorted: ``beta_vae+gmg+topdis``.
        recipes: hyperparameters of each part of the sum, by method name.
        terms: settings of each term, by name; empty for a method that is a LightningModule of its own.
        changes: what the user set against the protocol.
        plugin: SHA-256 of the plugin files, or "" without any.
    """

    method: str
    dataset: str
    source: str
    protocol: str
    note: str
    settings: Settings
    recipes: Mapping[str, Mapping[str, Any]]
    terms: Mapping[str, Mapping[str, Any]]
    scores: ScoreProtocol
    changes: Mapping[str, Any] = field(default_factory=dict)
    plugin: str = ""

    def to_dict(self) -> Tree:
        """Return plain data for ``config.yaml`` and ``result.json``."""
        plain = asdict(self)
        settings = plain.pop("settings")
        if not self.terms:
            settings = {name: value for name, value in settings.items() if name not in TRAINING_NAMES}
        return json.loads(json.dumps({**plain, **settings}))

    def key(self, fingerprint: str) -> str:
        """Return the hash of what the result depends on, the data's ``fingerprint`` included.

        Left out are paths, devices, the schedule of logging and checkpoints, and the recipes of a sum: its terms say
        it all, so two ways to write one sum are one run.
        """
        meaning = self.to_dict()
        for name in (
            "method",
            "note",
            "protocol",
            "changes",
            *SCHEDULE_NAMES,
            *(["recipes"] if self.terms else []),
        ):
            meaning.pop(name)
        text = json.dumps({**meaning, "data": fingerprint}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def objective(self) -> Objective:
        """Build the objective with fresh terms."""
        return _sum_of(self.recipes).with_settings(self.terms)


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


def resolve(
    method: str,
    dataset: str,
    protocol: str,
    *,
    source: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    plugins: Sequence[str | Path] = (),
    device: str = "auto",
) -> RunConfig:
    """Resolve what the user typed into a `RunConfig`.

    Later wins: defaults of the code, the protocol, ``overrides`` of recipes and settings, ``overrides`` of terms. A
    sum of regularisers alone stands on the ``default_base`` that one of them names, else on
    `DEFAULT_BASE`.

    Raises:
        ValueError: if a name or key is unknown or a value is bad; the message says what would work.
    """
    names = parse_method(method)
    chosen = load_protocol(protocol)
    sources = disent_datasets.info(dataset).sources
    if source is not None and source not in sources:
        raise ValueError(f"data set '{dataset}' has no source '{source}'; known: {', '.join(sources)}")
    overrides = dict(overrides or {})
    parts = [_default_base(names), *names] if is_regulariser(names[0]) else names
    own_module = is_module(parts[0])
    tree: Tree = asdict(Settings(**_checked("", chosen.settings, argument_hints(Settings))))
    if own_module:
        tree = {key: value for key, value in tree.items() if key not in TRAINING_NAMES}
    tree["methods"] = {name: {**_defaults(name), **chosen.methods.get(name, {})} for name in parts}
    tree["terms"] = {} if own_module else _sum_of(tree["methods"]).settings()
    scores = _nested({key: value for key, value in overrides.items() if key.startswith("scores.")}).get("scores", {})
    for key in overrides:
        if not key.startswith(("terms.", "scores.")):
            _assign(tree, key, overrides[key])
    settings = {key: tree[key] for key in tree if key not in ("methods", "terms")}
    resolved = Settings(**_checked("", settings, argument_hints(Settings)))
    for name in parts:
        tree["methods"][name] = _checked(f"methods.{name}.", tree["methods"][name], _hints(name))
    if not own_module:
        precision = resolve_precision(resolved.precision, _torch_device(device))
        resolved = Settings(**{**asdict(resolved), "precision": precision})
        objective = _sum_of(tree["methods"])
        tree["terms"] = objective.settings()
    for key in overrides:
        if key.startswith("terms."):
            _assign(tree, key, overrides[key])
    if not own_module:
        terms = {
            t.name: _checked(f"terms.{t.name}.", tree["terms"][t.name], term_arguments(type(t))) for t in objective
        }
        objective = objective.with_settings(terms)
        objective.refuse_unfitted_decoder()
        tree["terms"] = objective.settings()
    return RunConfig(
        method="+".join(names),
        dataset=dataset,
        source=source or sources[0],
        protocol=protocol,
        note=chosen.note,
        settings=resolved,
        recipes=tree["methods"],
        terms=tree["terms"],
        scores=ScoreProtocol.from_mapping(protocol, _merged(chosen.scores, scores)),
        changes={key: value for key, value in overrides.items() if key not in SCHEDULE_NAMES},
        plugin=hashlib.sha256(b"".join(sorted(Path(p).read_bytes() for p in plugins))).hexdigest() if plugins else "",
    )


def _torch_device(device: str) -> torch.device:
    """The device that Lightning will choose, as far as the precision depends on it."""
    return torch.device("cuda" if device in ("auto", "cuda") and torch.cuda.is_available() else "cpu")


def _default_base(names: Sequence[str]) -> str:
    own = [getattr(METHODS[name].factory, "default_base", None) for name in names]
    return next((base for base in own if base is not None), DEFAULT_BASE)


def _sum_of(recipes: Mapping[str, Mapping[str, Any]]) -> Objective:
    built = [METHODS[name].factory(**arguments) for name, arguments in recipes.items()]
    objective = built[0].objective()
    for recipe in built[1:]:
        for term in recipe.terms():
            objective = objective + term
    return objective


def _hints(name: str) -> dict[str, Any]:
    return {key: hint for key, hint in argument_hints(METHODS[name].factory).items() if key != "image_shape"}


def _defaults(name: str) -> Tree:
    parameters = inspect.signature(METHODS[name].factory).parameters
    missing = [key for key in _hints(name) if parameters[key].default is inspect.Parameter.empty]
    if missing:
        raise ValueError(f"method '{name}' has hyperparameters without a default: {', '.join(missing)}")
    return {key: parameters[key].default for key in _hints(name)}


def _checked(prefix: str, values: Mapping[str, Any], hints: Mapping[str, Any]) -> Tree:
    return {key: check_type(prefix + key, value, hints[key]) for key, value in values.items()}


def _assign(tree: Tree, key: str, value: Any) -> None:
    *path, last = key.split(".")
    known = list(_leaves(tree))
    if key not in known:
        raise unknown_name("setting", key, known)
    branch = tree
    for part in path:
        branch = branch[part]
    branch[last] = value


def _leaves(tree: Tree, depth: int = 0) -> Iterator[str]:
    for key, value in tree.items():
        # methods.NAME.x and terms.NAME.x; deeper down a mapping is one value
        branch = (depth == 0 and key in ("methods", "terms")) or (depth == 1 and isinstance(value, dict))
        if not branch:
            yield key
            continue
        yield from (f"{key}.{leaf}" for leaf in _leaves(value, depth + 1))


def _nested(dotted: Mapping[str, Any]) -> Tree:
    tree: Tree = {}
    for key, value in dotted.items():
        *path, last = key.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Tree:
    both = {key: _merged(base[key], changes[key]) for key in base if isinstance(changes.get(key), Mapping)}
    return {**base, **changes, **both}
