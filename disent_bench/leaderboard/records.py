"""The results in a runs folder, as records; nothing here knows of training."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from disent_bench.runs.folder import RunFolder
from disent_bench.runs.result import Failure, Report, Result, Scoring
from disent_bench.text import one_line

SCORE_SETTING = "scores."


@dataclass(frozen=True)
class Record:
    """One finished or failed run under one scoring, as its folder tells it.

    ``changes`` holds the settings that differ from the protocol's, ``errors`` the reason for each score that
    could not be computed, ``untrained`` the scores of the same network before training, ``failure`` why a
    failed run has no result, ``notes`` what to know of the data, ``config`` the resolved configuration, ``label`` the
    name that the user gave to the configuration, ``tuning`` how a study tried it (`RunFolder.read_tuning`).
    ``training``, ``environment`` and ``files`` are those of `disent_bench.runs.result.Result`; ``path`` is the file.
    A published result has a ``suite``, and is ``verified`` if its scores were recomputed.
    """

    protocol: str
    dataset: str
    source: str
    method: str
    key: str
    seed: int
    note: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    untrained: dict[str, float] = field(default_factory=dict)
    failure: str | None = None
    notes: tuple[str, ...] = ()
    scoring: Scoring = field(default_factory=lambda: Scoring(""))
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    tuning: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    suite: str = ""
    verified: bool = False
    path: Path = field(default=Path(), compare=False)

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.path.parent.parent if self.path.parent.name == "scores" else self.path.parent

    @property
    def is_trial(self) -> bool:
        """Whether settings were chosen by this run."""
        return self.seed in self.tuning.get("seeds", ())

    @property
    def configuration(self) -> tuple[str, ...]:
        """What tells rows apart: how the run was trained, and how it was scored."""
        scored = (self.scoring.label, self.scoring.key, settings_text(score_changes(self.changes)))
        return (self.protocol, *scored, self.dataset, self.source, self.method, self.key, self.suite)


def read_records(
    runs: Path, *, protocol: str | None = None, dataset: str | None = None, method: str | None = None
) -> list[Record]:
    """Read every finished and failed run under ``runs/<protocol>/<dataset>/<method>/<key>/seed-<n>/``.

    A run that was scored in several ways is a record for each: ``result.json``, and the files in ``scores/``.

    Unfinished runs have neither ``result.json`` nor ``failure.json`` and are passed over; a result outweighs
    an earlier failure. A file that cannot be used, or that repeats a run read from another folder, is named
    on stderr and left out.

    Args:
        runs: the folder; a missing one holds no runs.
        protocol: keep this protocol only.
        dataset: keep this data set only.
        method: keep this method only.

    Raises:
        NotADirectoryError: if ``runs`` is a file.
    """
    if runs.exists() and not runs.is_dir():
        raise NotADirectoryError(f"{runs} is a file, not the folder of runs")
    found: dict[tuple[str, ...], Record] = {}
    for path in _files(runs):
        try:
            record = _record(path)
            folder = RunFolder(record.folder)
            record = replace(record, label=folder.read_label(), tuning=folder.read_tuning())
        except (OSError, ValueError) as error:
            print(f"left out {path}: {one_line(error)}", file=sys.stderr)
            continue
        if found.setdefault((*record.configuration, str(record.seed)), record) is not record:
            print(f"left out {path}: another folder holds seed {record.seed} of the same run", file=sys.stderr)
    wanted = {"protocol": protocol, "dataset": dataset, "method": method}
    return [r for r in found.values() if all(v is None or getattr(r, k) == v for k, v in wanted.items())]


def reported(records: Iterable[Record]) -> list[Record]:
    """Leave out the trials by which settings were chosen: the best of many would be reported on its own luck."""
    return [record for record in records if not record.is_trial]


def _files(runs: Path) -> Iterator[Path]:
    for folder in sorted(runs.glob("*/*/*/*/seed-*")):
        if (folder / "result.json").exists():
            yield folder / "result.json"
            yield from sorted(folder.glob("scores/*.json"))
        elif (folder / "failure.json").exists():
            yield folder / "failure.json"


def _record(path: Path) -> Record:
    if path.name == "failure.json":
        failure = Failure.read(path)
        return Record(**_shared(failure), failure=failure.reason, config=failure.config, path=path)
    result = Result.read(path)
    return Record(
        **_shared(result),
        scores=dict(result.scores),
        errors=dict(result.errors),
        untrained=dict(result.untrained),
        notes=tuple(map(one_line, result.notes)),
        config=result.config,
        training=result.training,
        environment=result.environment,
        files=result.files,
        path=path,
    )


def _shared(report: Report) -> dict[str, Any]:
    """The fields of every report; changes to scores are those of its scoring."""
    own = {name: value for name, value in report.changes.items() if not name.startswith(SCORE_SETTING)}
    own |= {f"{SCORE_SETTING}{name}": value for name, value in report.scoring.changes.items()}
    names = ("protocol", "dataset", "source", "method", "key", "seed", "note", "scoring")
    return {**{name: getattr(report, name) for name in names}, "changes": own}


def score_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the ``changes`` that alter how scores are computed: results no longer compare."""
    return {name: value for name, value in changes.items() if name.startswith(SCORE_SETTING)}


def settings_text(changes: Mapping[str, Any]) -> str:
    """Return ``changes`` as one would type them: ``batch_size=32, steps=200``; empty for none."""
    return ", ".join(
        f"{one_line(name)}={one_line(value) if isinstance(value, str) else json.dumps(value)}"
        for name, value in sorted(changes.items())
    )
