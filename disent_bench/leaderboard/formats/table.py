"""For a terminal of any width; shows the interval where it fits."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from disent_bench.leaderboard.blocks import blocks
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.rows import Row
from disent_bench.leaderboard.tables import tables
from disent_bench.leaderboard.terminal import terminal_block, terminal_table


def write(rows: Sequence[Row], page: Page) -> str:
    """Return one table after the other; the best mean is bold if the page is styled, else starred."""
    columns = page.width or shutil.get_terminal_size().columns
    parts = [terminal_table(each, columns, page.styled) for each in tables(rows, page.names, page.against)]
    parts += [terminal_block(each, columns, page.styled) for each in blocks(rows, page)]
    return "\n".join(parts or [f"{page.empty}\n"])
