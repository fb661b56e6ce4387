"""Leaderboards as text: terminal, Markdown, LaTeX and HTML for readers; CSV and JSON for programs."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from disent_bench.leaderboard.records import Row, ScoreSummary, settings_text
from disent_bench.leaderboard.tables import Table, grid, legend, number, tables
from disent_bench.leaderboard.terminal import terminal_table

FORMATS = ("table", "markdown", "csv", "latex", "html", "json")

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "↓": r"$\downarrow$",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
}


def render(
    rows: Sequence[Row],
    format: str = "table",
    *,
    runs: Path = Path("runs"),
    width: int | None = None,
    styled: bool = False,
) -> str:
    """Return the leaderboard of ``rows`` as text that ends with a line end.

    * ``table``: for a terminal of ``width`` columns; shows the interval where it fits.
    * ``markdown``, ``html`` (one page): mean, standard deviation and interval.
    * ``latex``: booktabs tables of mean and standard deviation.
    * ``csv``: a line per row, with columns ``<score>_mean``, ``_std``, ``_low``, ``_high`` (the interval),
      ``_n`` and ``_untrained`` (mean); unrounded, empty where unknown; seeds are separated by spaces.
    * ``json``: a list of objects ``{protocol, dataset, source, method, seeds, failed, scores}``, where
      ``scores`` maps a name to ``{mean, std, ci95, n, higher_is_better}``; ``key``, ``changes``, ``note``,
      ``untrained``, ``failures`` and ``errors`` (reasons by seed) are added; unrounded, ``null`` if unknown.

    CSV and JSON hold training-side scores as well, and all rows in one list: protocol, data set, source and
    ``changes`` (those to ``scores.*`` too) say which rows compare. The others print separate tables.

    Args:
        rows: what ``leaderboard.aggregate`` returns.
        format: one of the names above.
        runs: the folder that was read, named when there are no rows.
        width: columns of the terminal; by default the terminal's own, 80 without one.
        styled: mark the best mean in bold on the terminal; otherwise ``table`` marks it with a star.

    Raises:
        ValueError: if ``format`` is unknown.
    """
    if format not in FORMATS:
        raise ValueError(f"unknown format '{format}'; known: {', '.join(FORMATS)}")
    if format == "json":
        return json.dumps([_json_row(row) for row in rows], indent=2) + "\n"
    if format == "csv":
        return _csv(rows)
    found = tables(rows)
    empty = f"no finished runs in {runs} yet; this makes one: make bench METHOD=topdis"
    if format == "html":
        return _page([_html(table) for table in found] or [f"<p>{html.escape(empty)}</p>\n"])
    if format == "latex":
        texts = [_latex(table) for table in found] or [f"% {empty}\n"]
    elif format == "markdown":
        texts = [_markdown(table) for table in found] or [f"{_markdown_text(empty)}\n"]
    else:
        columns = width or shutil.get_terminal_size().columns
        texts = [terminal_table(table, columns, styled) for table in found] or [f"{empty}\n"]
    return "\n".join(texts)


def _json_row(row: Row) -> dict[str, Any]:
    return {
        "protocol": row.protocol,
        "dataset": row.dataset,
        "source": row.source,
        "method": row.method,
        "key": row.key,
        "changes": row.changes,
        "note": row.note,
        "seeds": row.seeds,
        "failed": sorted(row.failures),
        "failures": row.failures,
        "scores": {
            name: {
                "mean": score.mean,
                "std": score.std,
                "ci95": score.ci95,
                "n": score.n,
                "higher_is_better": score.higher_is_better,
            }
            for name, score in row.scores.items()
        },
        "errors": row.errors,
        "untrained": {name: fmean(values) for name, values in row.untrained.items() if values},
    }


def _csv(rows: Sequence[Row]) -> str:
    identity = ["protocol", "dataset", "source", "method", "changes", "key", "seeds", "failed", "note"]
    names = dict.fromkeys(name for row in rows for name in row.scores)
    parts = ("mean", "std", "low", "high", "n", "untrained")
    text = io.StringIO()
    writer = csv.DictWriter(text, [*identity, *(f"{n}_{part}" for n in names for part in parts)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        line = {name: getattr(row, name) for name in ("protocol", "dataset", "source", "method", "key", "note")}
        line["changes"] = settings_text(row.changes)
        line["seeds"] = " ".join(map(str, row.seeds))
        line["failed"] = " ".join(map(str, sorted(row.failures)))
        for name, score in row.scores.items():
            low, high = score.ci95 or (None, None)
            untrained = fmean(row.untrained[name]) if row.untrained.get(name) else None
            values = (score.mean, score.std, low, high, score.n, untrained)
            line.update({f"{name}_{part}": value for part, value in zip(parts, values, strict=True)})
        writer.writerow(line)
    return text.getvalue()


def _spread(score: ScoreSummary) -> str:
    return "" if score.std is None else f" ± {number(score.std)}"


def _interval(score: ScoreSummary) -> str:
    return "" if score.ci95 is None else f" [{number(score.ci95[0])}, {number(score.ci95[1])}]"


def _headings(table: Table) -> list[str]:
    return ["method", "n", *(column.heading for column in table.columns)]


def _below(table: Table, *, interval: bool) -> list[str]:
    """Return what stands around a table for readers of a document: notes, legend, footnotes."""
    return [text for text in (*table.notes, legend(table, interval=interval, best="bold"), *table.footnotes) if text]


def _markdown(table: Table) -> str:
    def cell(score: ScoreSummary, best: bool) -> str:
        mean = f"**{number(score.mean)}**" if best else number(score.mean)
        return mean + _spread(score) + _markdown_text(_interval(score))

    head = [_markdown_text(heading) for heading in _headings(table)]
    rule = [":--", *("--:" for _ in head[1:])]
    lines = ["| " + " | ".join(row) + " |" for row in (head, rule, *grid(table, _markdown_text, cell))]
    below = [f"- {_markdown_text(text)}" for text in _below(table, interval=True)]
    return "\n".join([f"**{_markdown_text(table.title)}**", "", *lines, "", *below]).rstrip() + "\n"


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\`*<>|\[\]])", r"\\\1", text)


def _latex(table: Table) -> str:
    def cell(score: ScoreSummary, best: bool) -> str:
        mean = rf"\textbf{{{number(score.mean)}}}" if best else number(score.mean)
        return mean + _latex_text(_spread(score))

    head = " & ".join(_latex_text(heading) for heading in _headings(table))
    below = [rf"{_latex_text(text)}\par" for text in _below(table, interval=False)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex_text(table.title)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.columns) + 1)}}}",
            r"\toprule",
            rf"{head} \\",
            r"\midrule",
            *(rf"{' & '.join(row)} \\" for row in grid(table, _latex_text, cell)),
            r"\bottomrule",
            r"\end{tabular}",
            *([r"\par\smallskip", r"\footnotesize", *below] if below else []),
            r"\end{table}",
            "",
        ]
    )


def _latex_text(text: str) -> str:
    return "".join(LATEX.get(sign, sign) for sign in text)


def _html(table: Table) -> str:
    def cell(score: ScoreSummary, best: bool) -> str:
        mean = f"<b>{number(score.mean)}</b>" if best else number(score.mean)
        return f"{mean}{_spread(score)}<small>{_interval(score)}</small>" if score.ci95 else mean

    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in _headings(table))
    body = "\n".join("<tr><td>" + "</td><td>".join(row) + "</td></tr>" for row in grid(table, html.escape, cell))
    below = "".join(f"<p>{html.escape(text)}</p>\n" for text in _below(table, interval=True))
    return (
        f"<table>\n<caption>{html.escape(table.title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n{below}"
    )


def _page(parts: Sequence[str]) -> str:
    style = (
        "body { font-family: sans-serif; margin: 2em } caption { font-weight: bold; text-align: left } "
        "td, th { padding: .2em .8em; text-align: right } "
        "td:first-child, th:first-child { text-align: left } "
        "thead th { border-bottom: 1px solid } table { border-collapse: collapse; margin-top: 2em } "
        "p { font-size: small; margin: .2em 0 }"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Leaderboard</title>\n'
        f"<style>{style}</style></head>\n<body>\n{''.join(parts)}</body>\n</html>\n"
    )
