"""From what a user types to everything that a run depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import disent_datasets
import torch
from disent_metrics.protocol import ScoreProtocol

from disent_bench.config.method import (
    Model,
    build_model,
    hyperparameters,
    is_module,
    parse_method,
    training_of,
    with_base,
)
from disent_bench.config.protocols import Protocol, load_protocol, merged
from disent_bench.config.run import RunConfig
from disent_bench.config.settings import SCHEDULE_NAMES, TRAINING_NAMES, Settings
from disent_bench.config.versions import versions_of
from disent_bench.module import resolve_precision
from disent_bench.registry import unknown_name
from disent_bench.signatures import argument_hints, check_type

Tree = dict[str, Any]


def resolve(
    method: str,
    dataset: str,
    protocol: str,
    *,
    source: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    plugins: Sequence[str | Path] = (),
    device: str = "auto",
    data_dir: str | Path | None = None,
) -> RunConfig:
    """Resolve what the user typed into a `RunConfig`.

    Later wins: defaults of the code, training settings that the recipes carry, the protocol, what the protocol says of
    these methods, ``overrides``. Settings of terms and of the bottleneck win over the hyperparameters that they come
    from. A sum of regularisers alone stands on the ``default_base`` that one of them names, else on
    `disent_bench.config.method.DEFAULT_BASE`.

    Raises:
        ValueError: if a name or key is unknown or a value is bad; the message says what would work.
    """
    names, chosen, computing = parse_method(method), load_protocol(protocol), torch_device(device)
    sources = disent_datasets.info(dataset, data_dir).sources
    if source is not None and source not in sources:
        raise ValueError(f"data set '{dataset}' has no source '{source}'; known: {', '.join(sources)}")
    parts = with_base(names)
    typed = dict(overrides or {})
    of_scores = {key: typed[key] for key in typed if key.startswith("scores.")}
    of_parts = {key: typed[key] for key in typed if key.startswith(("terms.", "bottleneck."))}
    rest = {key: typed[key] for key in typed if key not in of_scores and key not in of_parts}
    known, hints = _known(parts)
    # A protocol speaks of encoders and optimisers, which a LightningModule of the user's own sees to itself.
    of_protocol = {key: value for key, value in chosen.settings.items() if key in known or key not in TRAINING_NAMES}
    layers = [known, training_of(parts), of_protocol, _of_methods(chosen, parts), rest]
    folded: Tree = {}
    for layer in layers:
        before = dict(folded)
        for key, value in layer.items():
            if key not in known:
                raise unknown_name("setting", key, [*known, *_parts_of(parts, known)])
            folded[key] = check_type(key, value, hints[key])
    changes = {key: value for key, value in rest.items() if key not in SCHEDULE_NAMES and folded[key] != before[key]}
    settings = Settings(**{key: value for key, value in folded.items() if not key.startswith("methods.")})
    methods = {name: _below(f"methods.{name}", folded) for name in parts}
    model = None
    if is_module(parts[0]):
        if of_parts:
            raise unknown_name("setting", next(iter(of_parts)), known)
    else:
        settings = Settings(**{**asdict(settings), "precision": resolve_precision(settings.precision, computing)})
        model = _built(methods, of_parts, known)
        changes |= {key: value for key, value in of_parts.items() if key in model.effective}
    changes |= effective_on_scores(chosen, of_scores)
    return RunConfig(
        method="+".join(names),
        dataset=dataset,
        source=source or sources[0],
        protocol=protocol,
        version=chosen.version,
        note=chosen.note,
        settings=settings,
        methods=methods,
        bottleneck={} if model is None else {"name": model.bottleneck.name, **model.bottleneck.settings()},
        terms={} if model is None else model.objective.settings(),
        scores=score_protocol(chosen, of_scores),
        changes=changes,
        versions=versions_of(parts, model, settings, disent_datasets.info(dataset, data_dir)),
        plugins=tuple(str(path) for path in plugins),
    )


def score_protocol(protocol: Protocol, changes: Mapping[str, Any]) -> ScoreProtocol:
    """Return the scores of a protocol with some ``changes``, keys of which start with ``scores.``.

    Raises:
        ValueError: if a key is unknown.
    """
    own = _nested(changes).get("scores", {})
    found = ScoreProtocol.from_mapping(protocol.name, merged({**protocol.scores, "version": protocol.version}, own))
    if not found.scores:
        raise ValueError("scores.scores is empty; name at least one")
    return found


def effective_on_scores(protocol: Protocol, changes: Mapping[str, Any]) -> Tree:
    """Return those of the ``changes`` without which a protocol's numbers would be others, in their order."""
    kept = dict(changes)
    for name in changes:
        fewer = {key: value for key, value in kept.items() if key != name}
        if score_protocol(protocol, fewer).identity() == score_protocol(protocol, kept).identity():
            kept = fewer
    return kept


def _known(parts: Sequence[str]) -> tuple[Tree, Tree]:
    """Defaults of all settings but those of terms, bottleneck and scores, and their type hints."""
    left_out = TRAINING_NAMES if is_module(parts[0]) else ()
    known = {key: value for key, value in asdict(Settings()).items() if key not in left_out}
    hints = {key: hint for key, hint in argument_hints(Settings).items() if key in known}
    for name in parts:
        defaults, own_hints = hyperparameters(name)
        known |= {f"methods.{name}.{key}": value for key, value in defaults.items()}
        hints |= {f"methods.{name}.{key}": hint for key, hint in own_hints.items()}
    return known, hints


def _of_methods(protocol: Protocol, parts: Sequence[str]) -> Tree:
    """What a protocol says of these methods: training settings by name, hyperparameters below the method's name."""
    said: Tree = {}
    for name in parts:
        for key, value in protocol.methods.get(name, {}).items():
            said |= value if key == "training" else {f"methods.{name}.{key}": value}
    return said


def _built(methods: Mapping[str, Tree], changes: Mapping[str, Any], known: Tree) -> Model:
    wanted: dict[str, Tree] = {}
    for key, value in changes.items():
        *address, name = key.split(".")
        if len(address) != (2 if address[0] == "terms" else 1):
            raise unknown_name("setting", key, [*known, *_parts_of(list(methods), known)])
        wanted.setdefault(".".join(address), {})[name] = value
    return build_model(methods, wanted)


def _parts_of(parts: Sequence[str], known: Tree) -> list[str]:
    """All settings of terms and bottleneck, for a message about one that does not exist."""
    if is_module(parts[0]):
        return []
    model = build_model({name: _below(f"methods.{name}", known) for name in parts})
    terms = [f"terms.{name}.{key}" for name, settings in model.objective.settings().items() for key in settings]
    return [*terms, *(f"bottleneck.{key}" for key in model.bottleneck.settings())]


def _below(address: str, tree: Tree) -> Tree:
    return {key.removeprefix(f"{address}."): tree[key] for key in tree if key.startswith(f"{address}.")}


def torch_device(device: str) -> torch.device:
    """The device that Lightning will choose, as far as the precision depends on it.

    Raises:
        ValueError: if it is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, True):
        raise ValueError(f"there is no {device} device for this torch ({torch.__version__}); take another, or auto")
    return torch.device("cuda" if device in ("auto", "cuda") and torch.cuda.is_available() else "cpu")


def _nested(dotted: Mapping[str, Any]) -> Tree:
    tree: Tree = {}
    for key, value in dotted.items():
        *path, last = key.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree
