"""What stands below the tables: standings across data sets, and numbers that papers print."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from disent_bench.leaderboard.across import Across, across
from disent_bench.leaderboard.contrasts import ENOUGH_SEEDS
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.published import results_folder
from disent_bench.leaderboard.rows import MISSING, Row
from disent_bench.leaderboard.tables import HEADINGS, number
from disent_bench.text import one_line

PAPERS = {"dsprites": "dSprites", "shapes3d": "Shapes3D"}
"""How the file of papers' numbers calls data sets."""


@dataclass(frozen=True)
class Block:
    """A table of texts.

    Attributes:
        title: what stands above it.
        rows: its head, then its lines; the first of each names the line.
        notes: what stands below it.
    """

    title: str
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]


def blocks(rows: Sequence[Row], page: Page) -> list[Block]:
    """Return what stands below the tables of ``rows``."""
    found = [_standings(each, {**HEADINGS, **page.names}) for each in across(rows)]
    return found + (_papers(dict.fromkeys(row.dataset for row in rows)) if page.published else [])


def papers_file() -> Path:
    """Return the file of the numbers that papers print."""
    return results_folder() / "papers.csv"


def _papers(datasets: Mapping[str, None]) -> list[Block]:
    """Numbers of papers on these data sets, a block for each data set and source; all if there are no data sets."""
    wanted = {PAPERS[name] for name in datasets if name in PAPERS} if datasets else set(PAPERS.values())
    groups: dict[tuple[str, str], dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    with papers_file().open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["dataset"] in wanted:
                spread = f" ± {line['std']}" if line["std"] else ""
                lines = groups[line["dataset"], one_line(line["source"])]
                lines[one_line(line["method"])][one_line(line["metric"])] = line["mean"] + spread
    found = []
    for (dataset, source), lines in sorted(groups.items()):
        metrics = list(dict.fromkeys(metric for values in lines.values() for metric in values))
        body = [[method, *(values.get(metric, MISSING) for metric in metrics)] for method, values in lines.items()]
        notes = [
            f"paper: {source}",
            "As printed there, under that paper's protocol: not run by us, and not to be ranked with other tables.",
        ]
        found.append(Block(f"{dataset}, numbers of a paper", [["method", *metrics], *body], notes))
    return found


def _standings(found: Across, headings: Mapping[str, str]) -> Block:
    """The mean and its interval, rank and its range, group, and who is beaten by whom."""
    order = list(found.standings)
    body = []
    for name, each in found.standings.items():
        low, high = each.interquartile_range
        best, worst = (f"{place:g}" for place in each.rank_range)
        beats = MISSING
        if (after := order.index(name) + 1) < len(order):
            chance, (least, most) = each.beats[order[after]], each.beats_range[order[after]]
            beats = f"{chance:.2f} [{least:.2f}, {most:.2f}]"
        mean = f"{number(each.interquartile_mean)} [{number(low)}, {number(high)}]"
        body.append([name, mean, f"{each.rank} [{best}, {worst}]", each.group, beats])
    notes = [
        "IQM: mean of the middle half of all runs [95 % interval]; rank [95 % range]; group: ranges that "
        "overlap one after the other; beats the next: probability that its run beats one of the method below, on a "
        "data set drawn at random [95 % interval]; stratified bootstrap, as rliable has it"
    ]
    if found.left_out:
        notes.append(f"without a data set or below {ENOUGH_SEEDS} seeds, left out: {', '.join(found.left_out)}")
    title = f"{headings.get(found.score, found.score)} across {', '.join(found.datasets)}, {found.under}"
    return Block(title, [["method", "IQM", "rank", "group", "beats the next"], *body], notes)
