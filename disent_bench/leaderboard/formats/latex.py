"""LaTeX: booktabs tables of mean and standard deviation."""

from __future__ import annotations

from collections.abc import Sequence

from disent_bench.leaderboard.document import around, headings, spread
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.statistics import Row, ScoreSummary
from disent_bench.leaderboard.tables import Table, grid, number, tables

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "↓": r"$\downarrow$",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
}


PREAMBLE = r"% needs \usepackage{booktabs}" + "\n"


def write(rows: Sequence[Row], page: Page) -> str:
    """Return one table after the other."""
    return "\n".join(
        [PREAMBLE, *(_latex(table) for table in tables(rows, page.names))] if rows else [f"% {page.empty}\n"]
    )


def _latex(table: Table) -> str:
    def cell(score: ScoreSummary, best: bool, fewer: str) -> str:
        mean = rf"\textbf{{{number(score.mean)}}}" if best else number(score.mean)
        return mean + fewer + _latex_text(spread(score))

    head = " & ".join(_latex_text(heading) for heading in headings(table))
    below = [rf"{_latex_text(text)}\par" for text in around(table, interval=False)]
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
