"""What a run leaves behind: one schema, written and read by the same code, which knows nothing of training."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from disent_bench.files import write_atomically
from disent_bench.text import one_line, shortened, strict

SCHEMA = 2
READABLE = (1, 2)
T = TypeVar("T", bound="Report")


@dataclass(frozen=True)
class Scoring:
    """How a run was scored: the protocol whose scores they are, and a key of everything that their values depend on.

    Attributes:
        protocol: name of the score protocol.
        version: its version; 0 if it was not recorded (schema 1).
        key: hash of the scores' versions and resolved settings; empty if it was not recorded (schema 1).
        changes: what the user set against the protocol, such as ``{"num_train": 500}``.
        versions: of the scores, by name.
    """

    protocol: str
    version: int = 0
    key: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """``locatello2019@1``; the bare name if the version was not recorded."""
        return f"{self.protocol}@{self.version}" if self.version else self.protocol


@dataclass(frozen=True)
class Report:
    """What every outcome of a run says about itself.

    Attributes:
        protocol: name of the protocol of the training.
        dataset: name of the data set.
        source: where its images come from.
        method: canonical name, base first, regularisers sorted.
        key: hash of everything that the trained weights depend on, save the seed.
        seed: of the run.
        note: what a reader of the protocol's table has to know.
        changes: what the user set against the protocol.
        scoring: how the run was, or was to be, scored.
    """

    protocol: str
    dataset: str
    source: str
    method: str
    key: str
    seed: int
    note: str
    changes: Mapping[str, Any]
    scoring: Scoring

    def write(self, path: Path) -> None:
        """Write the report as JSON, atomically.

        Raises:
            OSError: if it cannot be written; what was there before is unchanged.
        """
        document = strict({"schema": SCHEMA, **asdict(self)})
        write_atomically(path, json.dumps(document, indent=2, allow_nan=False) + "\n")

    @classmethod
    def read(cls: type[T], path: Path) -> T:
        """Read a report of this kind, of any schema that this version knows.

        Raises:
            OSError: if the file cannot be read.
            ValueError: if it is no such report; the message says what is wrong with it.
        """
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        schema = document.get("schema")
        if schema not in READABLE:
            raise ValueError(f"'schema' is {schema!r}; this version reads {' and '.join(map(str, READABLE))}")
        if schema == 1:
            document["scoring"] = _scoring_of_schema_1(document)
        optional = {f.name for f in fields(cls) if f.default is not MISSING or f.default_factory is not MISSING}
        given = [f for f in fields(cls) if f.name in document or f.name not in optional]
        return cls(**{f.name: _field(document, f.name, str(f.type)) for f in given})


@dataclass(frozen=True)
class Result(Report):
    """A finished run under one scoring.

    Attributes:
        scores: every number by its key; NaN where a score is not a number.
        errors: reason by score name, for scores that could not be computed.
        untrained: scores of the same network before training.
        notes: what the reader of the numbers should know about the data they come from.
        seconds: wall-clock seconds by score name.
        training: steps, seconds, steps per second, peak memory in MB, skipped steps by term.
        config: the resolved configuration (`disent_bench.config.run.RunConfig.to_dict`).
        environment: software, hardware and time (`disent_bench.runs.provenance`).
        files: what was published with it: ``sha256`` and ``bytes`` of its ``model`` or ``codes``.
    """

    scores: Mapping[str, float]
    errors: Mapping[str, str]
    untrained: Mapping[str, float]
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure(Report):
    """Why the latest try of a run ended without a result.

    Attributes:
        reason: one line.
        traceback: for an error that nobody foresaw, else empty.
        config: the resolved configuration.
        of_machine: whether it was a lack of memory, disk or device, and no doing of the run, which would be the same
            again.
    """

    reason: str
    traceback: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    of_machine: bool = False


def _scoring_of_schema_1(document: Mapping[str, Any]) -> dict[str, Any]:
    changes = document.get("changes")
    prefix = "scores."
    given = changes.items() if isinstance(changes, dict) else ()
    own = {name.removeprefix(prefix): value for name, value in given if name.startswith(prefix)}
    return {"protocol": document.get("protocol"), "changes": own}


def _field(document: Mapping[str, Any], name: str, kind: str) -> Any:
    value = document.get(name)
    if kind == "Scoring":
        given = _typed(name, value, dict)
        known = {f.name: f for f in fields(Scoring)}
        return Scoring(**{key: value for key, value in given.items() if key in known})
    if kind.startswith("tuple"):
        return tuple(_typed(name, value, list))
    if kind.startswith("Mapping"):
        mapping = _typed(name, value, dict)
        if "float" in kind:
            return {one_line(key): _number(name, key, number) for key, number in mapping.items()}
        return {one_line(key): one_line(text) for key, text in mapping.items()} if kind.endswith("str]") else mapping
    found = _typed(name, value, {"str": str, "int": int, "bool": bool}[kind])
    return one_line(found) if kind == "str" and name != "traceback" else found


def _typed(name: str, value: Any, kind: type[Any]) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"'{name}' should be of type {kind.__name__}, not {shortened(repr(value), 80)}")
    return value


def _number(name: str, key: str, value: Any) -> float:
    """A number; ``null``, which strict JSON writes for NaN, reads as NaN."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"'{name}' holds {shortened(repr(value), 80)} for {key}, not a number")
    return float(value)
