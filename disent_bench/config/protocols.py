"""Named protocols: how long to train, with what, and how to score (`experiments/protocols/*.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from disent_metrics.protocol import PROTOCOLS, ScoreProtocol

from disent_bench.config.yaml_text import read_yaml
from disent_bench.files import shipped
from disent_bench.registry import unknown_name

DEFAULT_PRIMARY = ("mig", "dci_disentanglement")


@dataclass(frozen=True)
class Protocol:
    """One protocol as its file writes it.

    Attributes:
        name: file name without ending; stored with every score.
        version: raised when what it asks for changes.
        title: one line for lists.
        note: what a reader of its table has to know.
        settings: what differs from the defaults of `disent_bench.config.resolve.Settings`.
        methods: hyperparameters of recipes under this protocol, by method; ``training`` among them are settings under
            which the method trains.
        scores: settings of the scores (`disent_metrics.protocol.ScoreProtocol`).
        primary: the scores on which methods are judged better or worse; all others are shown.
    """

    name: str
    version: int
    title: str
    note: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    primary: Sequence[str] = DEFAULT_PRIMARY


def protocol_folder() -> Path:
    """Return the folder of the protocol files."""
    return shipped("experiments", "protocols")


def protocol_names() -> list[str]:
    """Return the names of all protocols."""
    return sorted(path.stem for path in protocol_folder().glob("*.yaml"))


def load_protocol(name: str) -> Protocol:
    """Read the protocol called ``name``.

    Raises:
        ValueError: if there is no such protocol.
    """
    if name not in protocol_names():
        raise unknown_name("protocol", name, protocol_names())
    content = read_yaml((protocol_folder() / f"{name}.yaml").read_text())
    return Protocol(name=name, **content)


def named_scores(name: str, changes: Mapping[str, Any] = MappingProxyType({})) -> ScoreProtocol:
    """Return how a protocol scores, one of the files or one that `disent_metrics` knows, with some ``changes``.

    Raises:
        ValueError: if there is none of this name, or a change is unknown or bad.
    """
    if name in protocol_names():
        return ScoreProtocol.from_mapping(name, merged(load_protocol(name).scores, changes))
    if name in PROTOCOLS:
        return ScoreProtocol.from_mapping(name, changes)
    raise unknown_name("protocol", name, {*protocol_names(), *PROTOCOLS})


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes``, mappings within mappings merged likewise."""
    both = {key: merged(base[key], changes[key]) for key in base if isinstance(changes.get(key), Mapping)}
    return {**base, **changes, **both}
