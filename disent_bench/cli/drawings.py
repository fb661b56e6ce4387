"""Pictures beside the tables of a leaderboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from disent_bench.leaderboard.records import Record
from disent_bench.leaderboard.rows import Row
from disent_bench.leaderboard.tables import tables


def draw(records: Sequence[Record], rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write two pictures of each table and score: all seeds, and the score against steps where it was logged.

    Args:
        records: the runs.
        rows: those lines of them that stand in the tables.
        folder: where the pictures go; it is made if it is not there.

    Returns:
        The files, ``<data set>-<protocol>-<score>.png`` and ``...-steps.png``; tables of one name are numbered.

    Raises:
        OSError: if they cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from disent_bench import plots

    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    names: Counter[str] = Counter()
    for table in tables(rows):
        first = table.lines[0].row
        name = f"{first.dataset}-{first.scoring.label or first.protocol}"
        names[name] += 1
        stem = f"{name}-{names[name]}" if names[name] > 1 else name
        keys = {(line.row.key, line.row.scoring.key) for line in table.lines}
        own = [each for each in records if (each.key, each.scoring.key) in keys]
        for column in table.columns:
            for function, end in ((plots.scores, ""), (plots.progress, "-steps")):
                with suppress(ValueError):  # what was not logged has no curve
                    function(own, column.key)
                    path = folder / f"{stem}-{column.key}{end}.png"
                    plt.savefig(path, dpi=150)
                    written.append(path)
                plt.close("all")
    return written
