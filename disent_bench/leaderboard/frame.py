"""Results as a table of pandas, one row per run and scoring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from disent_bench.leaderboard.published import published_records, results_folder
from disent_bench.leaderboard.records import Record, read_records, reported, settings_text
from disent_bench.leaderboard.render import render
from disent_bench.leaderboard.rows import Row, aggregate
from disent_bench.leaderboard.versions import latest

if TYPE_CHECKING:
    import pandas

IDENTITY = ("protocol", "dataset", "source", "method", "key", "seed")


def results(runs: str | Path | None = None) -> pandas.DataFrame:
    """Return the finished and failed runs below a folder.

    Columns: what tells runs apart, ``scoring`` (score protocol and version), ``state``, ``failure``, ``changes`` (what
    the user set), each score by its name and its untrained value as ``untrained_<name>``, ``steps``,
    ``training_seconds``, ``steps_per_second``, ``disent_bench``, ``torch``, ``device``, ``label``, ``trial``
    (whether settings were chosen by it, so that tables leave it out), ``suite`` and ``verified`` (of published results:
    whether its scores were recomputed) and ``folder``.

    Args:
        runs: the folder; the published results that come with the package if None.
    """
    import pandas

    records = published_records() if runs is None else read_records(Path(runs))
    columns = [*IDENTITY, "scoring", "state", "failure", "changes"]
    found = pandas.DataFrame([_line(record) for record in records])
    return found if len(found) else pandas.DataFrame(columns=columns)


class Leaderboard:
    """Runs of a folder, summarised over seeds; printed, it is the table of ``disent-bench leaderboard``.

    Args:
        runs: the folder; the published results that come with the package if None.
        all: also runs with older versions of a plug-in, of which there are newer ones.
    """

    def __init__(self, runs: str | Path | None = None, *, all: bool = False) -> None:
        self.folder = results_folder() if runs is None else Path(runs)
        self.records = reported(published_records() if runs is None else read_records(self.folder))
        rows = aggregate(self.records)
        self.rows = rows if all else latest(rows)

    def to_frame(self) -> pandas.DataFrame:
        """Return one row per method, settings and way of scoring.

        Columns: what tells rows apart, ``n`` finished and ``failed`` seeds, each score's mean by its name, and with
        ``_std``, ``_low``, ``_high`` and ``_n`` its deviation, 95 % interval and seeds.
        """
        import pandas

        return pandas.DataFrame([_summary(row) for row in self.rows])

    def across(self) -> pandas.DataFrame:
        """Return where methods stand across data sets, by each primary score (`disent_bench.leaderboard.across`).

        Columns: ``protocol``, ``scoring``, ``score``, ``datasets``, ``method``, ``iqm`` with ``iqm_low`` and
        ``iqm_high``, ``rank`` with ``rank_low`` and ``rank_high``, ``group``, and ``beats``, probabilities by method.
        No rows where no two methods have five seeds on the same data sets.
        """
        import pandas

        from disent_bench.leaderboard.across import across

        columns = ["protocol", "scoring", "score", "datasets", "method", "iqm", "iqm_low", "iqm_high"]
        columns += ["rank", "rank_low", "rank_high", "group", "beats"]
        lines = [
            [
                *(found.protocol, found.scoring, found.score, ", ".join(found.datasets), name),
                *(each.interquartile_mean, *each.interquartile_range, each.rank, *each.rank_range),
                *(each.group, each.beats),
            ]
            for found in across(self.rows)
            for name, each in found.standings.items()
        ]
        return pandas.DataFrame(lines, columns=columns)

    def to_text(self, format: str = "table") -> str:
        """Return it as text in one of the formats of ``disent-bench leaderboard --format``.

        Raises:
            ValueError: if there is no such format.
        """
        return render(self.rows, format, runs=self.folder, records=self.records)

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        html: str = self.to_frame().to_html()
        return html


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
        "label": record.label,
        "trial": record.is_trial,
        "suite": record.suite,
        "verified": record.verified,
        "folder": str(record.folder),
    }


def _summary(row: Row) -> dict[str, Any]:
    line: dict[str, Any] = {name: getattr(row, name) for name in ("protocol", "dataset", "source", "method", "key")}
    line |= {"scoring": row.scoring.label or row.protocol, "changes": settings_text(row.changes), "label": row.label}
    line |= {"suite": row.suite, "verified": len(row.verified)}
    line |= {"n": len(row.seeds), "failed": len(row.failures)}
    for name, score in row.scores.items():
        low, high = score.ci95 or (None, None)
        spread = {"std": score.std, "low": low, "high": high, "n": score.n}
        line |= {name: score.mean, **{f"{name}_{which}": value for which, value in spread.items()}}
    return line
