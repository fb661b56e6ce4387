"""LaTeX: booktabs tables of mean and standard deviation."""

from __future__ import annotations

from collections.abc import Sequence

from disent_bench.leaderboard.blocks import Block, blocks
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
    parts = [_latex(table) for table in tables(rows, page.names, page.against)]
    parts += [_block(block) for block in blocks(rows, page)]
    return "\n".join([PREAMBLE, *parts]) if parts else f"% {page.empty}\n"


def _latex(table: Table) -> str:
    def cell(score: ScoreSummary, best: bool, fewer: str) -> str:
        mean = rf"\textbf{{{number(score.mean)}}}" if best else number(score.mean)
        return mean + _latex_text(fewer + spread(score))

    body = _tabular([_latex_texts(headings(table)), *grid(table, _latex_text, cell)], 1)
    compared = _tabular([_latex_texts(row) for row in contrast_grid(table)], 2)
    return _float(
        table.title, [*body, *([r"\par\medskip", *compared] if compared else [])], around(table, interval=False)
    )


def _block(block: Block) -> str:
    return _float(block.title, _tabular([_latex_texts(row) for row in block.rows], 1), block.notes)


def _float(title: str, body: Sequence[str], notes: Sequence[str]) -> str:
    below = [rf"{_latex_text(text)}\par" for text in notes]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex_text(title)}}}",
            *body,
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


def _latex_texts(texts: Sequence[str]) -> list[str]:
    return [_latex_text(text) for text in texts]
