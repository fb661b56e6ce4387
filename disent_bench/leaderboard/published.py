"""Results that others may read: suites of result files, the lock that freezes each, and what counts as verified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from disent_bench.files import shipped, write_atomically
from disent_bench.leaderboard.records import Record, read_records
from disent_bench.leaderboard.versions import CODE
from disent_bench.registry import unknown_name
from disent_bench.text import natural, one_line, strict

LOCK = "suite.json"
VERIFIED = "verified.json"


@dataclass(frozen=True)
class Suite:
    """Results that compare, frozen by the versions that enter them.

    Attributes:
        name: of its folder.
        folder: that holds its results as a folder of runs does.
        versions: of protocols, scorings, scores and of everything that trained weights depend on, by what each is of:
            ``{"protocol quick": 2, "score mig": 1, "term kl": 1}``.
    """

    name: str
    folder: Path
    versions: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Suite:
        """Read the suite in a folder; one without a lock has no results yet.

        Raises:
            ValueError: if its lock cannot be read.
        """
        path = folder / LOCK
        if not path.exists():
            return cls(folder.name, folder)
        try:
            return cls(folder.name, folder, dict(json.loads(path.read_text(encoding="utf-8"))["versions"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no lock of a suite: {error!r}") from None

    def with_result(self, document: Mapping[str, Any]) -> Suite:
        """Return the suite with a result file, whose versions join those that are frozen.

        Raises:
            ValueError: if a version is not the one that the suite has.
        """
        own = versions_of(document)
        for name, value in own.items():
            if self.versions.get(name, value) != value:
                raise ValueError(
                    f"suite {self.name} is frozen at {name} version {self.versions[name]}, this result has {value}; "
                    "submit it to another suite"
                )
        return replace(self, versions={**self.versions, **own})

    def write(self) -> None:
        """Write the lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ordered = dict(sorted(self.versions.items()))
        write_atomically(self.folder / LOCK, json.dumps({"versions": ordered}, indent=2) + "\n")


def versions_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the versions that enter a result file; those of a plug-in's code are its own and freeze nothing."""
    scoring, config = document["scoring"], document["config"]
    found = {f"protocol {document['protocol']}": config["version"]}
    found[f"scores of {scoring['protocol']}"] = scoring["version"]
    found |= {f"score {name}": version for name, version in scoring["versions"].items()}
    return found | {name: version for name, version in config["versions"].items() if not name.startswith(CODE)}


def results_folder() -> Path:
    """Return the folder of the suites that come with the package."""
    return shipped("experiments", "results")


def suites(folder: Path | None = None) -> list[Suite]:
    """Return the suites in a folder, those that come with the package if None."""
    folder = results_folder() if folder is None else folder
    return [Suite.read(path) for path in sorted(folder.glob("*/"), key=lambda path: natural(path.name))]


def newest_suite(folder: Path) -> str:
    """Return the name of the newest suite in a folder, else of those that come with the package, else of this month."""
    there = suites(folder) or suites()
    return there[-1].name if there else f"{date.today():%Y-%m}"


def published_records(folder: Path | None = None, suite: str | None = None) -> list[Record]:
    """Read the published results, each with its suite and whether it was verified.

    Args:
        folder: of suites; those that come with the package if None.
        suite: only this one.

    Raises:
        ValueError: if there is no such suite.
    """
    found = suites(folder)
    if suite is not None and suite not in {each.name for each in found}:
        raise unknown_name("suite", suite, {each.name for each in found})
    return [
        replace(record, suite=each.name, verified=is_verified(record.path))
        for each in found
        if suite in (None, each.name)
        for record in read_records(each.folder)
    ]


def is_verified(result: Path) -> bool:
    """Whether somebody recomputed the scores of this very result file, as ``verified.json`` beside it says."""
    try:
        said = json.loads(result.with_name(VERIFIED).read_text(encoding="utf-8"))
        return bool(said["result"] == digest(result))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked(path: Path) -> dict[str, Any]:
    """Read a result file, and hold it against the schema of results (``result.schema.json``).

    Raises:
        ValueError: if it is not valid; the message says where.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    from jsonschema.exceptions import best_match

    worst = best_match(_validator().iter_errors(document))
    if worst is not None:
        where = ".".join(map(str, worst.absolute_path)) or "the document"
        raise ValueError(f"{path}: {where}: {one_line(worst.message)}")
    parts = path.absolute().parts[-6:-1]
    wanted = (*(document[name] for name in ("protocol", "dataset", "method", "key")), f"seed-{document['seed']}")
    if parts != wanted:
        raise ValueError(f"{path} is a result of {'/'.join(wanted)}, and should lie in such a folder")
    found: dict[str, Any] = document
    return found


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    text = Path(__file__).with_name("result.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def with_files(document: Mapping[str, Any], files: Iterable[tuple[str, Path]]) -> str:
    """Return a result file as text that names what is published with it: size and SHA-256 of each file."""
    told = {name: {"sha256": digest(path), "bytes": path.stat().st_size} for name, path in files}
    return json.dumps(strict({**document, "files": told}), indent=2, allow_nan=False) + "\n"
