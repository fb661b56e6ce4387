"""LaTeX: booktabs tables of mean and standard deviation."""

from __future__ import annotations

from collections.abc import Sequence

from disent_bench.leaderboard.document import around, headings, spread
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.rows import Row, ScoreSummary
from disent_bench.leaderboard.tables import Table, contrast_grid, grid, number, tables

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "†": r"$\dagger$",
    "↓": r"$\downarrow$",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
}


PREAMBLE = r"% needs \usepackage{booktabs}" + "\n"


def write(rows: Sequence[Row], page: Page) -> str:
    """Return one table after the other."""
    return "\n".join(
        [PREAMBLE, *(_latex(table) for table in tables(rows, page.names, page.against))]
        if rows
        else [f"% {page.empty}\n"]
    )


def _latex(table: Table) -> str:
    def cell(score: ScoreSummary, best: bool, fewer: str) -> str:
        mean = rf"\textbf{{{number(score.mean)}}}" if best else number(score.mean)
        return mean + fewer + _latex_text(spread(score))

    body = _tabular([[_latex_text(heading) for heading in headings(table)], *grid(table, _latex_text, cell)], 1)
    compared = _tabular([[_latex_text(text) for text in row] for row in contrast_grid(table)], 2)
    below = [rf"{_latex_text(text)}\par" for text in around(table, interval=False)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex_text(table.title)}}}",
            *body,
            *([r"\par\medskip", *compared] if compared else []),
            *([r"\par\smallskip", r"\footnotesize", *below] if below else []),
            r"\end{table}",
            "",
        ]
    )


def _tabular(rows: Sequence[Sequence[str]], words: int) -> list[str]:
    """A tabular of a head and rows, of which the first columns hold words; nothing for no rows."""
    if not rows:
        return []
    lines = [rf"{' & '.join(row)} \\" for row in rows]
    columns = "l" * words + "r" * (len(rows[0]) - words)
    start = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    return [*start, lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}"]


def _latex_text(text: str) -> str:
    return "".join(LATEX.get(sign, sign) for sign in text)
