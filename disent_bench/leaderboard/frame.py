"""Results as a table of pandas, one row per run and scoring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from disent_bench.leaderboard.records import Record, read_records, settings_text

if TYPE_CHECKING:
    import pandas

IDENTITY = ("protocol", "dataset", "source", "method", "key", "seed")


def results(runs: str | Path | None = None) -> pandas.DataFrame:
    """Return the finished and failed runs below a folder.

    Columns: what tells runs apart, ``scoring`` (score protocol and version), ``state``, ``failure``, ``changes`` (what
    the user set), each score by its name and its untrained value as ``untrained_<name>``, ``steps``,
    ``training_seconds``, ``steps_per_second``, ``disent_bench``, ``torch``, ``device``, and ``folder``.

    Args:
        runs: the folder; the published results that come with the package if None.
    """
    import pandas

    records = read_records(published_folder() if runs is None else Path(runs))
    columns = [*IDENTITY, "scoring", "state", "failure", "changes"]
    found = pandas.DataFrame([_line(record) for record in records])
    return found if len(found) else pandas.DataFrame(columns=columns)


def published_folder() -> Path:
    """Return the folder of the published results: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "experiments" / "results"
    return installed if installed.is_dir() else package.parent / "experiments" / "results"


def _line(record: Record) -> dict[str, Any]:
    environment, training = record.environment, record.training
    return {
        **{name: getattr(record, name) for name in IDENTITY},
        "scoring": record.scoring.label or record.protocol,
        "state": "done" if record.failure is None else "failed",
        "failure": record.failure,
        "changes": settings_text(record.changes),
        **record.scores,
        **{f"untrained_{name}": value for name, value in record.untrained.items()},
        "steps": training.get("steps"),
        "training_seconds": training.get("seconds"),
        "steps_per_second": training.get("steps_per_second"),
        **{name: environment.get(name) for name in ("disent_bench", "torch", "device")},
        "folder": str(record.path.parent.parent if record.path.parent.name == "scores" else record.path.parent),
    }
