import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import disent_metrics
import pandas
import pytest

from disent_bench.leaderboard.formats import format_names
from disent_bench.leaderboard.records import Record
from disent_bench.leaderboard.render import render
from disent_bench.leaderboard.rows import Row, aggregate
from disent_bench.leaderboard.tables import tables

SCORES = {
    "mig": 0.14,
    "dci_disentanglement": 0.22,
    "dci_completeness": 0.25,
    "dci_informativeness_train": 0.81,
    "dci_informativeness_test": 0.55,
    "sap": 0.05,
    "factor_vae_train": 0.72,
    "factor_vae_eval": 0.68,
    "modularity": 0.75,
}
NOTE = "quick: a sanity check; not comparable with papers"


@pytest.fixture(autouse=True)
def directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disent_metrics, "higher_is_better", lambda name: {"loss": False, "odd": None}.get(name, True))


def record(method: str = "topdis", seed: int = 0, **changed: Any) -> Record:
    fields = {
        "protocol": "quick",
        "dataset": "dsprites",
        "source": "drawn",
        "key": f"{method}-key",
        "note": NOTE,
    }
    return Record(**{**fields, "method": method, "seed": seed, **changed})


def records(method: str, values: dict[str, float], seeds: int = 5, **changed: Any) -> list[Record]:
    """Seeds enough for a method to be ranked."""
    return [record(method, seed, scores=values, **changed) for seed in range(seeds)]


def study() -> list[Row]:
    """Three methods, one also with changed settings; a failed seed; a score that could not be computed."""
    runs = [
        record(
            method,
            seed,
            scores={k: v + i / 100 + s / 1000 for k, v in SCORES.items()},
            untrained=dict.fromkeys(SCORES, 0.152),
        )
        for i, method in enumerate(("beta_tcvae", "topdis", "factor_vae+topdis"))
        for s, seed in enumerate((0, 1, 4, 5, 6))
    ]
    changed = record(
        key="x",
        changes={"steps": 200},
        scores={"mig": 0.1},
        errors={"dci": "one active code"},
        untrained={"mig": 0.01},
    )
    return aggregate([*runs, record(seed=2, failure="loss not finite at step 50"), changed])


def lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


def best(rows: list[Row], score: str) -> set[str]:
    (table,) = tables(rows)
    return {line.label for line in table.lines if score in line.best}


# What a table says


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"protocol": "full"}, "full"),
        ({"dataset": "dsprites_lookalike"}, "dsprites_lookalike"),
        ({"source": "official"}, "official"),
        ({"changes": {"scores.mig.num_bins": 5}}, "[scores.mig.num_bins=5]"),
    ],
)
def test_tables_never_mix_what_does_not_compare(changed: dict[str, Any], named: str) -> None:
    rows = aggregate([record("a", scores={"mig": 0.1}), record("b", scores={"mig": 0.2}, **changed)])
    found = tables(rows)
    assert [[line.label for line in table.lines] for table in found] in ([["a"], ["b"]], [["b"], ["a"]])
    assert len({table.title for table in found}) == 2
    assert not any(line.best for table in found for line in table.lines)
    assert sum(named in table.title for table in found) == 1


def test_labels_name_the_changed_settings() -> None:
    changes = {"steps": 200, "flag": True, "name": "x", "scores.mig.num_bins": 5}
    (table,) = tables(aggregate([record(changes=changes)]))
    assert table.lines[0].label == "topdis [flag=true, name=x, steps=200]"
    assert table.title == "dsprites (drawn), protocol quick [scores.mig.num_bins=5]"


def test_settings_that_all_rows_share_stand_in_the_title() -> None:
    rows = [record("a", changes={"steps": 200}), record("b", changes={"steps": 200, "side": "encoder", "flag": 1})]
    (table,) = tables(aggregate(rows))
    assert table.title == "dsprites (drawn), protocol quick [steps=200]"
    assert [line.label for line in table.lines] == ["a", "b [flag=1, side=encoder]"]
    (mixed,) = tables(aggregate([*rows, record("c", changes={"steps": 300})]))
    assert mixed.title == "dsprites (drawn), protocol quick"
    assert [line.label for line in mixed.lines] == [
        "a [steps=200]",
        "b [flag=1, side=encoder, steps=200]",
        "c [steps=300]",
    ]


def test_rows_of_one_name_say_what_they_differ_in_and_show_no_hash() -> None:
    def resolved(key: str, precision: str, version: int, **more: Any) -> Record:
        config = {"precision": precision, "terms": {"kl": {"weight": 1.0}}, "versions": {"term kl": version, **more}}
        return record(key=key, config={**config, "note": key, "scores": {"seed": key}})

    runs = [resolved("aaaa1", "32", 1), resolved("bbbb2", "bf16", 1), resolved("cccc3", "32", 2)]
    (table,) = tables(aggregate([*runs, record(key="dddd4"), record("vae")]))
    assert {line.label for line in table.lines} == {
        "topdis [precision=32, term kl version 1]",
        "topdis [precision=bf16, term kl version 1]",
        "topdis [precision=32, term kl version 2]",
        "topdis [versions not recorded]",
        "vae",
    }
    (table,) = tables(aggregate([resolved(key, "32", 1, **{"code my.py": key}) for key in ("aaaa1", "bbbb2")]))
    assert [line.label for line in table.lines] == ["topdis [my.py as of aaaa]", "topdis [my.py as of bbbb]"]
    (table,) = tables(aggregate([resolved(key, "32", 1) for key in ("aaaa1", "bbbb2")]))
    assert [line.label for line in table.lines] == ["topdis [other data]"] * 2


def test_best_follows_the_direction() -> None:
    values = {name: {"mig": value, "loss": value, "odd": value} for name, value in (("a", 0.1), ("b", 0.2))}
    rows = aggregate(run for name, value in values.items() for run in records(name, value))
    assert best(rows, "mig") == {"b"}
    assert best(rows, "loss") == {"a"}
    assert best(rows, "odd") == set()


def test_means_that_print_alike_tie() -> None:
    values = {"a": 0.2001, "b": 0.1999, "c": 0.199}
    assert best(aggregate(run for k, v in values.items() for run in records(k, {"mig": v})), "mig") == {"a", "b"}


def test_below_five_seeds_nothing_is_ranked() -> None:
    few = records("few", {"mig": 0.9}, seeds=4)
    rows = aggregate([*few, *records("a", {"mig": 0.1}), *records("b", {"mig": 0.2})])
    assert best(rows, "mig") == {"b"}
    assert "a preview: below 5 seeds nothing is ranked" in render(rows, "table", width=200)
    assert best(aggregate([*few, *records("a", {"mig": 0.1})]), "mig") == set()
    assert "preview" not in render(aggregate([*records("a", {"mig": 0.1}), *records("b", {"mig": 0.2})]))


def test_nothing_is_best_alone() -> None:
    rows = aggregate([*records("a", {"mig": 0.1}), record("b", failure="killed")])
    assert best(rows, "mig") == set()


def test_the_untrained_reference_is_a_mean_over_runs_and_never_best() -> None:
    rows = aggregate(
        [
            *records("a", {"mig": 0.1}, untrained={"mig": 0.9}),
            *records("b", {"mig": 0.2}, untrained={"mig": 0.3}),
        ]
    )
    (table,) = tables(rows)
    assert table.untrained == {"(untrained)": {"mig": pytest.approx(0.6)}}
    assert best(rows, "mig") == {"b"}
    assert lines(render(rows, "markdown"), "| (untrained)") == ["| (untrained) |  | 0.600 |"]


def test_training_side_scores_have_no_column_where_the_other_side_has_one() -> None:
    names = ("a_train", "a_test", "b_train", "b_eval", "c_train", "d")
    (table,) = tables(aggregate([record(scores=dict.fromkeys(names, 0.5))]))
    assert [column.key for column in table.columns] == ["a_test", "b_eval", "c_train", "d"]


def test_reasons_are_said_once_with_their_seeds() -> None:
    runs = [record(seed=seed, scores={"mig": 0.1}, errors={"dci": "one active code"}) for seed in (0, 1, 2, 5)]
    failed = [record(seed=seed, failure="loss not finite at step 50") for seed in (3, 8)]
    other = record("vae", scores={"mig": 0.1, "sap": 0.2, "loss": 0.3})
    extra = record("vae", 1, scores={"mig": 0.1})
    (table,) = tables(aggregate([*runs, *failed, other, extra]))
    assert table.footnotes == (
        "topdis: seeds 3, 8 failed: loss not finite at step 50",
        "topdis: seeds 0-2, 5 without dci: one active code",
        "vae: seed 1 without sap, loss: not recorded",
    )


# How it prints


def test_json_has_the_promised_shape() -> None:
    rows = study()
    found = json.loads(render(rows, "json"), parse_constant=pytest.fail)
    assert len(found) == len(rows) == 4
    row = next(r for r in found if r["method"] == "topdis" and not r["changes"])
    assert {"protocol", "dataset", "source", "method", "seeds", "failed", "scores"} <= set(row)
    assert (row["protocol"], row["dataset"], row["source"]) == ("quick", "dsprites", "drawn")
    assert (row["seeds"], row["failed"]) == ([0, 1, 4, 5, 6], [2])
    assert row["failures"] == {"2": "loss not finite at step 50"}
    assert set(row["scores"]) == set(SCORES)
    score = row["scores"]["mig"]
    assert set(score) == {"mean", "std", "ci95", "n", "higher_is_better", "values", "crashed"}
    assert score["mean"] == pytest.approx(0.152)
    assert score["std"] == pytest.approx(0.001 * 2**0.5)
    assert score["ci95"] == pytest.approx([0.152 - 0.0014841, 0.152 + 0.0014841], abs=1e-6)
    assert (score["n"], score["higher_is_better"], score["crashed"]) == (6, True, [2])
    values = {"0": 0.15, "1": 0.151, "2": 0.152, "4": 0.152, "5": 0.153, "6": 0.154}
    assert score["values"] == pytest.approx(values)
    changed = next(r for r in found if r["changes"])
    assert (changed["changes"], changed["errors"]) == ({"steps": 200}, {"dci": {"0": "one active code"}})
    assert (changed["scores"]["mig"]["std"], changed["scores"]["mig"]["ci95"]) == (None, None)
    assert changed["untrained"] == {"mig": 0.01}


def test_csv_reads_as_a_wide_frame() -> None:
    rows = study()
    frame = pandas.read_csv(io.StringIO(render(rows, "csv")), dtype={"seeds": str}, float_precision="round_trip")
    assert list(frame.method) == [row.method for row in rows]
    for name in SCORES:
        for place, row in enumerate(rows):
            score, line = row.scores.get(name), frame.iloc[place]
            if score is None:
                assert line[[f"{name}_{part}" for part in ("mean", "std", "low", "high", "n")]].isna().all()
            else:
                assert (line[f"{name}_mean"], line[f"{name}_n"]) == (score.mean, score.n)
                if score.ci95:
                    assert (line[f"{name}_std"], line[f"{name}_low"], line[f"{name}_high"]) == (
                        score.std,
                        *score.ci95,
                    )
    topdis = frame[(frame.method == "topdis") & frame.changes.isna()].iloc[0]
    assert (topdis.seeds, topdis.failed, topdis.mig_untrained) == ("0 1 4 5 6", 2, 0.152)
    assert frame.changes.dropna().tolist() == ["steps=200"]


def test_csv_quotes_what_needs_it() -> None:
    (line,) = csv.DictReader(io.StringIO(render(aggregate([record(note='a, "b"\nc')]), "csv")))
    assert line["note"] == 'a, "b"\nc'


def test_markdown_rows_have_one_cell_for_each_column() -> None:
    text = render(aggregate([*map_records("a|b*c"), *records("vae", SCORES)]), "markdown")
    table = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines(text, "|")]
    assert {len(cells) for cells in table} == {2 + 7}
    assert [cells[0].strip() for cells in table] == ["method", ":--", r"a\|b\*c", "vae"]
    assert table[3][2].strip().startswith("**0.140**")
    assert f"- {NOTE}" in text


def map_records(method: str) -> list[Record]:
    return [record(method, seed, scores={k: v - 0.01 for k, v in SCORES.items()}) for seed in range(5)]


def test_markdown_cells() -> None:
    (row,) = lines(render(study(), "markdown"), "| topdis |")
    assert row.split(" | ")[1:3] == ["5/6", r"0.152† ± 0.001 \[0.151, 0.153\]"]


def test_latex_is_balanced_and_escaped() -> None:
    rows = aggregate(
        [
            *records("a_b", {"mig": 0.1, "sap": 0.1}, seeds=3, note="50 % & more: ~{x}^2 #1 $5 <\\>"),
            *(record("a_b", seed, scores={"mig": 0.2, "sap": 0.1}) for seed in (3, 4, 5)),
            *records("vae", {"mig": 0.5}),
        ]
    )
    text = render(rows, "latex")
    bare = re.sub(r"\\[&%$#_{}]", "", text)
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert re.findall(r"\\(begin|end)\{(\w+)\}", text) == [
        ("begin", "table"),
        ("begin", "tabular"),
        ("end", "tabular"),
        ("end", "table"),
    ]
    assert re.search(r"\\begin\{tabular\}\{(l[r]*)\}", text)[1] == "lrrr"
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows_of_cells = [line.split(" & ") for line in body.splitlines() if line.endswith(r"\\")]
    assert [len(cells) for cells in rows_of_cells] == [4, 4, 4]
    assert rows_of_cells[1][:3] == [r"a\_b", "6", r"0.150 $\pm$ 0.055"]
    assert rows_of_cells[2][2:] == [r"\textbf{0.500} $\pm$ 0.000", r"- \\"]
    assert r"50 \% \& more: \textasciitilde{}\{x\}\textasciicircum{}2 \#1 \$5" in text
    assert r" \textless{}\textbackslash{}\textgreater{}" in text
    assert text.isascii()


class Cells(HTMLParser):
    """Collects tables as lists of rows of cell texts, the bold cells, and all other tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.bold: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "wbr"):
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data
        if self.open and self.open[-1] == "b":
            self.bold.append(data)


def test_html_parses_back() -> None:
    rows = [
        *study(),
        *aggregate([record(dataset="cars3d_lookalike", scores={"mig": 0.3}, note="<script>x</script>")]),
    ]
    page = Cells(render(rows, "html"))
    assert page.open == []
    assert page.tags.count("script") == 2  # the page's own
    cars, sprites = (table for table in page.tables if table[0][0] == "method" and table[0][1] == "n")
    assert cars == [["method", "n", "MIG"], ["topdis", "1", "0.300"]]
    assert {len(cells) for cells in sprites} == {2 + 7}
    assert [cells[0] for cells in sprites[1:]] == [
        "beta_tcvae",
        "factor_vae+topdis",
        "topdis",
        "topdis [steps=200]",
        "(untrained)",
    ]
    assert sprites[3][2] == "0.152† ± 0.001 [0.151, 0.153]"
    assert page.bold == ["0.162", "0.242", "0.272", "0.572", "0.702", "0.772", "0.077"]


# The terminal


@pytest.mark.parametrize("width", [30, 50, 80, 100, 140, 200])
@pytest.mark.parametrize("styled", [False, True])
def test_a_terminal_of_any_width_shows_every_number_whole(width: int, styled: bool) -> None:
    rows = study()
    text = render(rows, "table", width=width, styled=styled)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(map(len, plain.splitlines())) <= width
    assert "…" not in plain
    shown = re.findall(r"\d\.\d{3}", plain)
    for row in rows:
        for name, score in row.scores.items():
            if not name.endswith("_train"):
                assert f"{score.mean:.3f}" in shown
    assert ("[0.151, 0.153]" in plain) == (width >= 140)
    assert (plain != text) == styled


def test_a_terminal_of_80_columns_holds_nine_scores_in_one_part() -> None:
    text = render(study(), "table", width=80)
    assert len(lines(text, "method")) == 1
    (row,) = lines(text, "factor_vae+topdis ")
    assert row.split() == [
        "factor_vae+topdis",
        "5",
        *["*0.162", "*0.242", "*0.272", "*0.572", "0.072", "*0.702", "*0.772"],
    ]
    assert "topdis: seed 2 failed: loss not finite at step 50" in text
    assert NOTE in text


def test_long_labels_give_way_to_scores() -> None:
    changes = {"steps": 200, "terms.topological.weight": 1.0}
    rows = aggregate([*map_records("vae"), record(changes=changes, scores=SCORES)])
    text = render(rows, "table", width=80)
    assert len(lines(text, "method")) == 1
    first = text.splitlines().index(next(line for line in lines(text, "topdis [") if "0.140" in line))
    label = [line[:18].strip() for line in text.splitlines()[first : first + 3]]
    assert label == ["topdis [steps=200,", "terms.topological.", "weight=1.0]"]


def test_twenty_scores_are_split_into_parts() -> None:
    values = {f"score_{i}": i / 100 for i in range(20)}
    rows = aggregate([*records("vae", values), *records("topdis", values)])
    text = render(rows, "table", width=80)
    assert len(lines(text, "method")) > 1
    assert max(map(len, text.splitlines())) <= 80
    assert re.findall(r"\*(0\.\d{3})", " ".join(lines(text, "vae"))) == [f"{i / 100:.3f}" for i in range(20)]


def test_bold_marks_the_best_mean_alone() -> None:
    rows = aggregate(
        [record("a", s, scores={"mig": 0.1 + s}) for s in range(5)]
        + [record("b", s, scores={"mig": 0.2 + s}) for s in range(5)]
    )
    text = render(rows, "table", width=100, styled=True)
    found = re.findall(r"\x1b\[1m(\d[^\x1b]*)\x1b\[0m([^\x1b\n]*)", text)
    assert [(mean, rest.strip()) for mean, rest in found] == [("2.200", "± 1.581")]
    assert "*" not in text


def test_brackets_in_labels_are_no_markup() -> None:
    rows = aggregate([record(changes={"bold": 1}, note="[red]note[/red] :smile:", scores={"mig": 0.1})])
    text = render(rows, "table", width=80)
    assert "topdis [bold=1]" in text
    assert "[red]note[/red] :smile:" in text


def test_lower_is_better_shows_in_the_heading() -> None:
    assert "loss ↓" in render(aggregate([record(scores={"loss": 12345.678})]), "table", width=80)
    assert "1.235e+04" in render(aggregate([record(scores={"loss": 12345.678})]), "table", width=80)


def test_the_width_is_the_terminals_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert render(study()) == render(study(), "table", width=50)


@pytest.mark.parametrize("format", format_names())
def test_only_failed_runs_still_print(format: str) -> None:
    rows = aggregate([record(failure="loss not finite at step 50")])
    text = render(rows, format, width=80)
    assert "topdis" in text
    assert text.endswith("\n")
    if format != "csv":
        assert "loss not finite at step 50" in text


def test_an_empty_folder_says_how_to_fill_it() -> None:
    said = "no finished runs in results/x yet; this makes one: disent-bench run --method topdis"
    for format in ("table", "markdown", "html", "latex"):
        assert said in render([], format, runs=Path("results/x"))
    assert json.loads(render([], "json")) == []
    assert pandas.read_csv(io.StringIO(render([], "csv"))).empty


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown format 'cvs', did you mean 'csv'\? known: csv, html, json, latex"):
        render([], "cvs")
