"""Rows of older versions of a plug-in, which newer ones replace."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from disent_bench.leaderboard.rows import Row

CODE = "code "
"""How the versions in a configuration call what is not part of this package."""


def latest(rows: Sequence[Row]) -> list[Row]:
    """Leave out rows that differ from one that was finished later in nothing but the code of a plug-in.

    Rows that had others left out say how many (``older``).
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[_identity(row)].append(row)
    newest = {key: max(group, key=lambda row: (row.finished, row.key)) for key, group in groups.items()}
    kept = {id(row): replace(row, older=len(groups[key]) - 1) for key, row in newest.items()}
    return [kept[id(row)] for row in rows if id(row) in kept]


def _identity(row: Row) -> str:
    """What a row is, save the code of plug-ins; with it for rows that have none, which nothing replaces."""
    scored = (row.suite, row.protocol, row.scoring.label, row.scoring.key, row.dataset, row.source, row.method)
    versions = row.config.get("versions", {})
    if not any(name.startswith(CODE) for name in versions):
        return json.dumps([*scored, row.key])
    others = {name: value for name, value in versions.items() if not name.startswith(CODE)}
    return json.dumps([*scored, {**row.config, "versions": others}], sort_keys=True, default=str)
