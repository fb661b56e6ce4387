"""From rows to tables that compare like with like: columns, best means and footnotes, in no format yet.

One table holds one protocol (with one set of score settings), one data set and one source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, TypeVar

from disent_bench.leaderboard.contrasts import ENOUGH_SEEDS, Contrast, contrasts
from disent_bench.leaderboard.records import score_changes, settings_text
from disent_bench.leaderboard.rows import MISSING, Row, ScoreSummary, flat
from disent_bench.text import natural, seeds_text

Cell = TypeVar("Cell")

UNTRAINED = "untrained"
CRASHED = "†"

HEADINGS = {
    "mig": "MIG",
    "dci_disentanglement": "DCI D",
    "dci_completeness": "DCI C",
    "dci_informativeness_test": "DCI I",
    "sap": "SAP",
    "beta_vae_eval": "BetaVAE",
    "factor_vae_eval": "FactorVAE",
    "modularity": "Modularity",
    "explicitness_test": "Explicitness",
    "irs": "IRS",
    "info_m": "InfoM",
    "info_c": "InfoC",
    "info_e": "InfoE",
    "reconstruction_mse": "MSE",
}


@dataclass(frozen=True)
class Column:
    """A score and what stands above it."""

    key: str
    heading: str


@dataclass(frozen=True)
class Line:
    """A row, its label, and the scores on which it is best."""

    label: str
    row: Row
    best: frozenset[str]


@dataclass(frozen=True)
class Table:
    """What one printed table says; ``untrained`` are the references at its foot, one for each network, by label.

    ``contrasts`` compare its rows.
    """

    title: str
    notes: tuple[str, ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    untrained: dict[str, dict[str, float]]
    footnotes: tuple[str, ...]
    contrasts: tuple[Contrast, ...] = ()


def tables(rows: Iterable[Row], names: Mapping[str, str] | None = None, against: str | None = None) -> list[Table]:
    """Return one table per protocol, way of scoring, data set and source, sorted by these names.

    ``names`` are those to be printed for methods, labels of lines and scores; ``against`` names the method with which
    others are compared in the tables that have it, in place of each one's base.

    Changed settings that several rows share stand in the title, others in the labels of their lines. Lines are sorted
    by method, unchanged settings first. A score of the training side (``..._train``) has no column where its
    ``..._test`` or ``..._eval`` has one.
    """
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[*row.scored, row.dataset, row.source].append(row)
    ordered = [groups[name] for name in sorted(groups)]
    titles = [_title(group[0]) for group in ordered]
    found = []
    for group, title in zip(ordered, titles, strict=True):
        rivals = [other[0] for other, same in zip(ordered, titles, strict=True) if same == title]
        found.append(_table(group, _score_versions(group[0], rivals), names or {}, against))
    return found


def grid(
    table: Table, text: Callable[[str], Cell], cell: Callable[[ScoreSummary, bool, str], Cell]
) -> list[list[Cell]]:
    """Return the body of ``table``: label, number of seeds and scores; untrained references are last.

    Args:
        table: what to lay out.
        text: turns plain text into a cell.
        cell: turns a score, whether it is the best of its column, and a mark where failed seeds count with the
            untrained score, or the number of its seeds where these are fewer than the line's, into a cell.
    """
    body = []
    for line in table.lines:
        scores = [(line.row.scores.get(column.key), column.key in line.best) for column in table.columns]
        cells = [text(MISSING) if score is None else cell(score, best, mark(score, line.row)) for score, best in scores]
        done, started = len(line.row.seeds), line.row.started
        body.append([text(line.label), text(str(done) if done == started else f"{done}/{started}"), *cells])
    for label, reference in table.untrained.items():
        means = [reference.get(column.key) for column in table.columns]
        body.append([text(label), text(""), *(text(MISSING if m is None else number(m)) for m in means)])
    return body


def contrast_grid(table: Table, broken: str = " ") -> list[list[str]]:
    """Return headings and lines of the comparisons on primary scores; nothing if there are none.

    Args:
        table: of which.
        broken: what stands between verdict and interval of a cell.
    """
    headings = {column.key: column.heading for column in table.columns}
    shown = [each for each in table.contrasts if each.verdict and each.score in headings]
    if not shown:
        return []
    labels = {id(line.row): line.label for line in table.lines}
    scores = [key for key in headings if any(each.score == key for each in shown)]
    cells: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for each in shown:
        cells[labels[id(each.row)], labels[id(each.against)]][each.score] = _contrast_text(each, broken)
    body = [[*pair, *(found.get(key, MISSING) for key in scores)] for pair, found in cells.items()]
    return [["method", "less that of", *(headings[key] for key in scores)], *body]


def contrast_legend(table: Table) -> list[str]:
    """Return what the comparisons say, and what they cannot."""
    shown = [each for each in table.contrasts if each.verdict]
    judged = [each for each in shown if each.adjusted is not None]
    said = []
    if judged:
        said.append(
            "difference of means [95 % interval, Welch]; better or worse: p <= .05 of the exact permutation test, "
            f"adjusted for the {len(judged)} comparisons on primary scores (Holm); level is not equal"
        )
    elif shown:
        said.append("difference of means [95 % interval, Welch]")
    if any(not each.reachable for each in judged):
        said.append("so few seeds cannot make so many comparisons significant, whatever the difference: add seeds")
    return said


def legend(table: Table, *, interval: bool, best: str) -> str:
    """Return what the marks of ``table`` mean: spread, ``interval`` if shown, how the ``best`` mean looks."""
    scores = [score for line in table.lines for score in line.row.scores.values()]
    parts = []
    if any(score.n > 1 for score in scores):
        parts.append("± standard deviation over n seeds")
        if interval:
            parts.append("[95 % interval of the mean, Student's t]")
    if any(line.best for line in table.lines):
        parts.append(f"{best}: best mean")
    if any(score.crashed for score in scores):
        parts.append(f"{CRASHED}: failed seeds count with the untrained score")
    if len(table.lines) > 1 and any(line.row.started < ENOUGH_SEEDS for line in table.lines):
        parts.append(f"a preview: below {ENOUGH_SEEDS} seeds nothing is ranked")
    return "; ".join(parts)


def number(value: float) -> str:
    """Return a score with three decimals, or four digits from 100 on."""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.4g}"


def mark(score: ScoreSummary, row: Row) -> str:
    """Return what is particular about the seeds of a score."""
    fewer = f" (n {score.n})" if score.n < row.started else ""
    return CRASHED * bool(score.crashed) + fewer


def _contrast_text(contrast: Contrast, broken: str) -> str:
    """``+0.031 better [0.010, 0.052], p .012``."""
    said = f"{contrast.difference:+.3f} {contrast.verdict}"
    about = [f"[{number(contrast.ci95[0])}, {number(contrast.ci95[1])}]"] if contrast.ci95 else []
    if contrast.adjusted is not None:
        about.append("p < .001" if contrast.adjusted < 0.001 else f"p {contrast.adjusted:.3f}".replace("0.", "."))
    return f"{said}{broken}{', '.join(about)}" if about else said


def _title(row: Row, shared: Mapping[str, Any] | None = None) -> str:
    """What tells a table apart, save versions; ``shared`` settings stand beside those of the scores."""
    changes = settings_text(score_changes(row.changes) | dict(shared or {}))
    return f"{row.dataset} ({row.source}), {row.under}" + (f" [{changes}]" if changes else "")


def _score_versions(row: Row, rivals: Sequence[Row]) -> str:
    """What tells the scoring of a table from that of others with the same title."""
    if len(rivals) < 2:
        return ""
    if not row.scoring.key:
        return "versions of scores not recorded"
    versions = [rival.scoring.versions for rival in rivals if rival.scoring.key]
    differing = [n for n, v in row.scoring.versions.items() if any(other.get(n) != v for other in versions)]
    return ", ".join(f"{name} version {row.scoring.versions[name]}" for name in differing) or "versions recorded"


def _table(rows: Sequence[Row], versions: str, names: Mapping[str, str], against: str | None) -> Table:
    shared = _shared_changes(rows)
    labels = _labels(rows, shared)
    order = sorted(range(len(rows)), key=lambda i: (rows[i].method, len(rows[i].changes), natural(labels[i])))
    rows, labels = [rows[i] for i in order], [_printed(labels[i], rows[i].method, names) for i in order]
    columns = tuple(replace(each, heading=names.get(each.key, each.heading)) for each in _columns(rows))
    best = {column.key: _best(column.key, rows) for column in columns}
    lines = tuple(
        Line(label, row, frozenset(key for key, places in best.items() if place in places))
        for place, (label, row) in enumerate(zip(labels, rows, strict=True))
    )
    first = rows[0]
    return Table(
        title=_title(first, shared) + (f" ({versions})" if versions else ""),
        notes=tuple(dict.fromkeys(row.note for row in rows if row.note)),
        columns=columns,
        lines=lines,
        untrained=_untrained(columns, rows),
        footnotes=(
            *_abbreviations([column for column in columns if column.key not in names]),
            *dict.fromkeys(note for row in rows for note in row.notes),
            *(note for line in lines for note in _reasons(line, columns)),
        ),
        contrasts=tuple(contrasts(rows, against if against in {row.method for row in rows} else None)),
    )


def _printed(label: str, method: str, names: Mapping[str, str]) -> str:
    """The user's name of a line, or of its method with what the line says beside it."""
    if label in names or not label.startswith(method):
        return names.get(label, label)
    return names.get(method, method) + label.removeprefix(method)


def _shared_changes(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the changed settings that stand in the title: those of the scores, and all that several rows share."""
    changes = rows[0].changes
    if len(rows) == 1:
        return score_changes(changes)
    return {
        name: value
        for name, value in changes.items()
        if all(name in row.changes and row.changes[name] == value for row in rows)
    }


def _labels(rows: Sequence[Row], shared: Mapping[str, Any]) -> list[str]:
    """Name rows by the user's label, or by method and settings not ``shared``; rows of one name add how they differ."""
    told = [
        {} if row.label else {name: value for name, value in row.changes.items() if name not in shared} for row in rows
    ]
    names = [(_name(row), settings_text(changes)) for row, changes in zip(rows, told, strict=True)]
    labels = []
    for row, changes, name in zip(rows, told, names, strict=True):
        rivals = [other for other, same in zip(rows, names, strict=True) if same == name]
        said = ", ".join(text for text in (settings_text(changes), _difference(row, rivals)) if text)
        labels.append(f"{name[0]} [{said}]" if said else name[0])
    return labels


def _name(row: Row) -> str:
    """Its label or method; a published row says so, and how much of it was recomputed."""
    name = row.label or row.method
    if not row.suite:
        return name
    done, verified = len(row.seeds), len(row.verified)
    said = "verified" if verified == done else f"{verified} of {done} verified" if verified else "submitted"
    return f"{name} ({row.suite}, {said})"


def _difference(row: Row, rivals: Sequence[Row]) -> str:
    """The resolved settings and versions in which a row differs from others of its name."""
    if len(rivals) < 2:
        return ""
    if "versions" not in row.config:
        return "versions not recorded"
    settings = [_told(rival.config) for rival in rivals if "versions" in rival.config]
    own = _told(row.config)
    differing = {n: v for n, v in own.items() if any(other.get(n, MISSING) != v for other in settings)}
    code = [n.removeprefix("versions.code ") for n in differing if n.startswith("versions.code ")]
    versions = [(n.removeprefix("versions."), v) for n, v in differing.items() if n.startswith("versions.")]
    said = [f"{name} version {value}" for name, value in versions if not name.startswith("code ")]
    said += [f"{name} as of {row.key[:4]}" for name in code]
    plain = {name: value for name, value in differing.items() if not name.startswith("versions.")}
    said = [text for text in (settings_text(plain), *said) if text]
    return ", ".join(said) or ("other data" if len(settings) > 1 else "versions recorded")


def _told(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted name, without those that do not tell how a network was trained."""
    passed_over = {"method", "note", "protocol", "version", "changes", "scores", "plugins", "log_every"}
    passed_over |= {"gradient_shares", "checkpoint_every", "evaluate_every", "evaluate_during"}
    passed_over |= {"methods"} if config.get("terms") else set()
    return flat({name: value for name, value in config.items() if name not in passed_over})


def _columns(rows: Sequence[Row]) -> tuple[Column, ...]:
    keys = list(dict.fromkeys(key for row in rows for key in row.scores))
    lower = {key for row in rows for key, score in row.scores.items() if score.higher_is_better is False}
    stems = {key.removesuffix(end) for key in keys for end in ("_test", "_eval") if key.endswith(end)}
    return tuple(
        Column(key, HEADINGS.get(key, key) + (" ↓" if key in lower else ""))
        for key in keys
        if not (key.endswith("_train") and key.removesuffix("_train") in stems)
    )


def _best(key: str, rows: Sequence[Row]) -> set[int]:
    """Return the places of the best mean as printed, ties included; none without a rival, seeds or a direction."""
    scores = {
        place: row.scores[key]
        for place, row in enumerate(rows)
        if key in row.scores and row.scores[key].n >= ENOUGH_SEEDS
    }
    directions = {score.higher_is_better for score in scores.values()}
    if len(scores) < 2 or directions not in ({True}, {False}):
        return set()
    pick = max if directions == {True} else min
    top = number(pick(score.mean for score in scores.values()))
    return {place for place, score in scores.items() if number(score.mean) == top}


def _untrained(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return the mean over all runs of each network, for the scores that were taken before training, by label.

    Networks with the same means share a line, told by the settings that they have in common.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[settings_text(row.network)].append(row)
    means: dict[tuple[tuple[str, float], ...], list[dict[str, Any]]] = defaultdict(list)
    for group in groups.values():
        values = {column.key: [v for row in group for v in row.untrained.get(column.key, ())] for column in columns}
        if found := tuple((key, fmean(each)) for key, each in values.items() if each):
            means[found].append(group[0].network)
    references = {}
    for scores, networks in means.items():
        others = [network for group in means.values() if group is not networks for network in group]
        common = {k: v for k, v in networks[0].items() if all(each.get(k, MISSING) == v for each in networks)}
        differing = {k: [other.get(k, MISSING) != v for other in others] for k, v in common.items()}
        own = {k: common[k] for k, found in differing.items() if found and all(found)}
        own = own or {k: common[k] for k, found in differing.items() if any(found)}
        label = f"({UNTRAINED}, {settings_text(own)})" if own else f"({UNTRAINED})"
        if label in references:  # they have nothing in common that others lack
            label = f"({UNTRAINED}, such as {settings_text(networks[0])})"
        references[label] = dict(scores)
    return references


def _abbreviations(columns: Sequence[Column]) -> list[str]:
    """Spell out the headings that a reader could not trace back to the name of the score."""
    short = [
        f"{heading} = {column.key}"
        for column in columns
        if (heading := HEADINGS.get(column.key)) and not column.key.replace("_", "").startswith(heading.lower())
    ]
    return [", ".join(short)] if short else []


def _reasons(line: Line, columns: Sequence[Column]) -> list[str]:
    """Say which seeds failed and which scores are missing, once per reason."""
    row = line.row
    said = [f"older versions left out ({row.older}); --all shows them"] if row.older else []
    said += [_chosen(row.tuning)] if row.tuning.get("chosen") else []
    said += _by_reason(row.failures, "failed")
    for name, reasons in row.errors.items():
        said += _by_reason(reasons, f"without {name}")
    explained = {seed for reasons in row.errors.values() for seed in reasons}
    absent: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for column in columns:
        present = row.scores[column.key].seeds if column.key in row.scores else ()
        absent[tuple(seed for seed in row.seeds if seed not in present and seed not in explained)].append(column.key)
    said += [
        f"{seeds_text(seeds)} without {', '.join(names)}: not recorded" for seeds, names in absent.items() if seeds
    ]
    return [f"{line.label}: {text}" for text in said]


def _by_reason(reasons: Mapping[int, str], what: str) -> list[str]:
    seeds: dict[str, list[int]] = defaultdict(list)
    for seed, reason in reasons.items():
        seeds[reason].append(seed)
    return [f"{seeds_text(found)} {what}: {reason}" for reason, found in seeds.items()]


def _chosen(tuning: Mapping[str, Any]) -> str:
    """Say how settings were chosen."""
    return f"chosen of {tuning['settings']} settings by {tuning['rule']} ({tuning['trials']} trials)"
