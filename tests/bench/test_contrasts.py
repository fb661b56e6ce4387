"""Comparisons of methods with their bases."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from matplotlib.figure import Figure

import disent_bench as db
from disent_bench.config.protocols import load_protocol, named_scores, protocol_names
from disent_bench.leaderboard.across import across
from disent_bench.leaderboard.blocks import blocks, papers_file
from disent_bench.leaderboard.contrasts import contrasts, primary_scores
from disent_bench.leaderboard.formats import Page
from disent_bench.leaderboard.records import Record
from disent_bench.leaderboard.render import render
from disent_bench.leaderboard.rows import Row, aggregate
from disent_bench.leaderboard.statistics import holm
from disent_bench.leaderboard.tables import tables
from disent_bench.runs.folder import RunFolder, RunKey
from disent_bench.runs.result import Result, Scoring

PARTS = {"beta_vae": {"beta": 4.0}, "gmg": {"weight": 100.0}, "topdis": {"gamma": 5.0}, "vae": {}}
SPREAD = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)


def runs(
    method: str, mean: float, seeds: int = 6, config: dict[str, Any] | None = None, **changed: Any
) -> list[Record]:
    """Runs of a sum, with MIG and DCI-D around a mean and a SAP score that is not judged."""
    names = method.split("+")
    full = {
        "methods": {name: PARTS[name] for name in names},
        "terms": {name: {"weight": 1.0} for name in ("kl", *names)},
        "network": "roth2023",
        "latent_dim": 10,
        "steps": 4000,
        **(config or {}),
    }
    return [
        Record(
            **{"protocol": "quick", "dataset": "dsprites", "source": "drawn", "key": method, **changed},
            method=method,
            seed=seed,
            scoring=Scoring("quick", 2, "k"),
            scores={name: mean + SPREAD[seed] for name in ("mig", "dci_disentanglement", "sap")},
            untrained={"mig": 0.01, "dci_disentanglement": 0.02, "sap": 0.01},
            config=full,
        )
        for seed in range(seeds)
    ]


def pairs(rows: list[Row], **options: Any) -> set[tuple[str, str]]:
    return {(each.row.method, each.against.method) for each in contrasts(rows, **options)}


def test_a_sum_is_compared_with_the_sum_without_its_last_part() -> None:
    sums = ["beta_vae", "beta_vae+gmg", "beta_vae+gmg+topdis", "beta_vae+topdis", "vae"]
    rows = aggregate(run for method in sums for run in runs(method, 0.1))
    assert pairs(rows) == {
        ("beta_vae+gmg", "beta_vae"),
        ("beta_vae+topdis", "beta_vae"),
        ("beta_vae+gmg+topdis", "beta_vae+gmg"),
    }
    without = [row for row in rows if row.method != "beta_vae+gmg"]
    assert ("beta_vae+gmg+topdis", "beta_vae+topdis") in pairs(without), "an earlier part is left out where need be"


@pytest.mark.parametrize(
    "config",
    [
        {"steps": 2000},
        {"network": "locatello2019"},
        {"methods": {"beta_vae": {"beta": 8.0}}},
        {"terms": {"kl": {"weight": 2.0}, "beta_vae": {"weight": 1.0}}},
        {"bottleneck": {"name": "other"}},
    ],
)
def test_a_base_that_was_trained_otherwise_is_none(config: dict[str, Any]) -> None:
    rows = aggregate([*runs("beta_vae", 0.1, config=config), *runs("beta_vae+topdis", 0.2)])
    assert pairs(rows) == set()
    assert pairs(rows, against="beta_vae") == {("beta_vae+topdis", "beta_vae")}, "unless it is asked for"


def test_what_is_logged_makes_no_other_training() -> None:
    rows = aggregate([*runs("beta_vae", 0.1, config={"log_every": 7}), *runs("beta_vae+topdis", 0.2)])
    assert pairs(rows) == {("beta_vae+topdis", "beta_vae")}


def test_numbers_and_verdicts() -> None:
    rows = aggregate([*runs("beta_vae", 0.1), *runs("beta_vae+topdis", 0.5), *runs("beta_vae+gmg", 0.11)])
    found = {(each.row.method, each.score): each for each in contrasts(rows)}
    top, level = found["beta_vae+topdis", "mig"], found["beta_vae+gmg", "mig"]
    values = [0.5 + each for each in SPREAD], [0.1 + each for each in SPREAD]
    interval = scipy.stats.ttest_ind(*values, equal_var=False).confidence_interval()
    assert top.difference == pytest.approx(0.4)
    assert top.ci95 == pytest.approx((interval.low, interval.high))
    assert top.p == pytest.approx(2 / 924)
    family = [each for each in found.values() if each.score in ("mig", "dci_disentanglement")]
    assert len(family) == 4
    assert [each.adjusted for each in family] == pytest.approx(holm([each.p for each in family]))
    assert (top.verdict, level.verdict) == ("better", "level")
    assert (found["beta_vae+topdis", "sap"].adjusted, found["beta_vae+topdis", "sap"].verdict) == (None, "")
    worse = contrasts(aggregate([*runs("beta_vae", 0.5), *runs("beta_vae+topdis", 0.1)]))
    assert {each.verdict for each in worse} == {"worse", ""}


def test_below_five_seeds_it_is_a_preview() -> None:
    rows = aggregate([*runs("beta_vae", 0.1, 6), *runs("beta_vae+topdis", 0.5, 4)])
    found = contrasts(rows)
    assert {each.verdict for each in found} == {"preview", ""}
    assert all(each.adjusted is None for each in found)
    assert "+0.390 preview" in render(rows, "table", width=100)


def test_too_many_comparisons_for_so_few_seeds_are_said() -> None:
    sums = ["vae", "beta_vae", "beta_vae+gmg", "beta_vae+gmg+topdis", "beta_vae+topdis"]
    few = aggregate(run for i, method in enumerate(sums) for run in runs(method, i / 2, 5))
    assert not any(each.reachable for each in contrasts(few, "vae") if each.adjusted is not None)
    assert {each.verdict for each in contrasts(few, "vae")} == {"level", ""}
    said = "so few seeds cannot make so many comparisons significant"
    assert said in " ".join(render(few, "table", width=300, against="vae").split())
    assert said not in render(aggregate([*runs("beta_vae", 0.1), *runs("beta_vae+topdis", 0.5)]), "table", width=300)


def test_a_failed_seed_counts_with_the_untrained_score() -> None:
    failed = Record(
        "quick",
        "dsprites",
        "drawn",
        "beta_vae+topdis",
        "beta_vae+topdis",
        9,
        scoring=Scoring("quick", 2, "k"),
        failure="loss not finite at step 50",
    )
    rows = aggregate([*runs("beta_vae", 0.1), *runs("beta_vae+topdis", 0.5), failed])
    row = next(row for row in rows if row.failures)
    score = row.scores["mig"]
    assert (score.n, score.crashed, score.values[-1]) == (7, (9,), 0.01)
    assert score.mean == pytest.approx((6 * 0.525 + 0.01) / 7)
    text = " ".join(render(rows, "table", width=300).split())
    assert "6/7" in text
    assert "†: failed seeds count with the untrained score" in text
    assert "seed 9 failed: loss not finite at step 50" in text


def test_a_method_that_always_fails_counts_with_the_floor_of_its_network_and_scoring() -> None:
    def failing(**changed: Any) -> Record:
        given = {"protocol": "quick", "dataset": "dsprites", "source": "drawn", "scoring": Scoring("quick", 2, "k")}
        config = runs("vae", 0.1)[0].config
        return Record(
            **{**given, "method": "bad", "key": "bad", "seed": 0, "config": config, "failure": "x", **changed}
        )

    def floor(**changed: Any) -> float | None:
        row = next(row for row in aggregate([*runs("vae", 0.1), failing(**changed)]) if row.method == "bad")
        return row.scores["mig"].mean if "mig" in row.scores else None

    assert floor() == pytest.approx(0.01)
    assert floor(dataset="cars3d_lookalike") is None
    assert floor(scoring=Scoring("quick", 2, "other")) is None
    assert floor(config={**runs("vae", 0.1)[0].config, "network": "locatello2019"}) is None


@pytest.mark.parametrize("format", ["table", "markdown", "html", "latex"])
def test_documents_show_primary_scores_of_each_pair(format: str) -> None:
    text = render(aggregate([*runs("beta_vae", 0.1), *runs("beta_vae+topdis", 0.5)]), format, width=120)
    assert "+0.400 better" in text
    assert "less that of" in text
    assert text.count("better") == 3, "MIG, DCI-D and the legend"


def test_json_has_every_contrast() -> None:
    document = json.loads(render(aggregate([*runs("beta_vae", 0.1), *runs("beta_vae+topdis", 0.5)]), "json"))
    found = {row["method"]: row["contrasts"] for row in document}
    assert found["beta_vae"] == []
    assert [each["score"] for each in found["beta_vae+topdis"]] == ["mig", "dci_disentanglement", "sap"]
    first = found["beta_vae+topdis"][0]
    assert (first["against"], first["verdict"]) == ("beta_vae", "better")


def test_against_another_method() -> None:
    rows = aggregate(run for method in ("vae", "beta_vae", "beta_vae+topdis") for run in runs(method, 0.1))
    assert pairs(rows, against="vae") == {("beta_vae", "vae"), ("beta_vae+topdis", "vae")}
    with pytest.raises(ValueError, match="unknown method in these tables 'vea', did you mean 'vae'"):
        render(rows, "table", against="vea")
    (table,) = tables(rows, against="vae")
    assert {each.against.method for each in table.contrasts} == {"vae"}


def test_tables_are_compared_each_within_itself() -> None:
    rows = aggregate([*runs("beta_vae", 0.1), *runs("beta_vae+topdis", 0.5, dataset="cars3d_lookalike")])
    assert [table.contrasts for table in tables(rows)] == [(), ()]


@pytest.mark.parametrize("protocol", protocol_names())
def test_primary_scores_are_among_those_of_the_protocol(protocol: str) -> None:
    given = load_protocol(protocol).primary
    assert list(primary_scores(protocol)) == list(given)
    assert len(given) == 2
    scores = named_scores(protocol).scores
    assert all(any(name.startswith(score) for score in scores) for name in given)


def test_a_protocol_that_is_not_known_is_judged_like_most() -> None:
    assert primary_scores("somebody_elses") == ("mig", "dci_disentanglement")


def on(*datasets: str, seeds: int = 6, source: str = "drawn", **methods: float) -> list[Record]:
    """Runs of methods on some data sets."""
    return [
        run
        for dataset in datasets
        for method, mean in methods.items()
        for run in runs(method, mean, seeds, dataset=dataset, source=source, key=f"{method} {dataset}")
    ]


def test_standings_across_data_sets() -> None:
    rows = aggregate(on("dsprites", "shapes3d", vae=0.1, beta_vae=0.5))
    mig, dci = across(rows)
    assert (mig.score, dci.score, mig.datasets) == ("mig", "dci_disentanglement", ("dsprites", "shapes3d"))
    assert list(mig.standings) == ["beta_vae", "vae"]
    values = np.array([0.5 + each for each in SPREAD] * 2)
    assert mig.standings["beta_vae"].interquartile_mean == pytest.approx(scipy.stats.trim_mean(values, 0.25))
    assert [each.group for each in mig.standings.values()] == ["a", "b"]


def test_standings_never_mix_what_does_not_compare() -> None:
    original, alike = (
        on("dsprites", vae=0.1, beta_vae=0.5),
        on("shapes3d_lookalike", source="rendered", vae=0.1, beta_vae=0.5),
    )
    assert across(aggregate([*original, *alike])) == []
    other = on("mpi3d_lookalike", source="rendered", vae=0.1, beta_vae=0.5)
    assert {found.datasets for found in across(aggregate([*original, *alike, *other]))} == {
        ("mpi3d_lookalike", "shapes3d_lookalike")
    }
    full = [replace(run, protocol="full") for run in on("shapes3d", vae=0.1, beta_vae=0.5)]
    assert across(aggregate([*original, *full])) == []


def test_who_lacks_seeds_or_a_data_set_is_left_out_and_named() -> None:
    few = on("dsprites", "shapes3d", seeds=4, topdis=0.9)
    rows = aggregate([*on("dsprites", "shapes3d", vae=0.1, beta_vae=0.5), *few, *on("dsprites", gmg=0.9)])
    assert {found.left_out for found in across(rows)} == {("gmg", "topdis")}
    assert {tuple(found.standings) for found in across(rows)} == {("beta_vae", "vae")}
    text = " ".join(render(rows, "table", width=100).split())
    assert "left out: gmg, topdis" in text


@pytest.mark.parametrize("format", ["table", "markdown", "html", "latex"])
def test_documents_end_with_the_standings(format: str) -> None:
    text = render(aggregate(on("dsprites", "shapes3d", vae=0.1, beta_vae=0.5)), format, width=100)
    assert "MIG across dsprites, shapes3d, protocol quick@2" in text
    assert "1.00 [1.00, 1.00]" in text.replace("\\", "")


def test_standings_as_a_frame(tmp_path: Path) -> None:
    assert db.leaderboard(tmp_path).across().empty
    for run in on("dsprites", "shapes3d", vae=0.1, beta_vae=0.5):
        path = RunFolder(RunKey("quick", run.dataset, run.method, run.key, run.seed).folder(tmp_path)).result
        path.parent.mkdir(parents=True)
        names = ("protocol", "dataset", "source", "method", "key", "seed", "note", "changes", "scoring")
        fields = {name: getattr(run, name) for name in (*names, "scores", "errors", "untrained", "config")}
        Result(**fields).write(path)
    frame = db.leaderboard(tmp_path).across()
    assert frame[["score", "method", "rank"]].to_numpy().tolist() == [
        ["mig", "beta_vae", 1],
        ["mig", "vae", 2],
        ["dci_disentanglement", "beta_vae", 1],
        ["dci_disentanglement", "vae", 2],
    ]
    axes = db.plots.scores(tmp_path, "mig", dataset="dsprites", ax=Figure().subplots())
    assert len(axes.get_yticklabels()) == 2


def test_a_failed_seed_is_drawn_empty() -> None:
    failed = replace(runs("vae", 0.1)[0], seed=9, failure="killed", scores={}, untrained={})
    axes = db.plots.scores([*runs("vae", 0.1), failed], "mig", ax=Figure().subplots())
    dots = {line.get_fillstyle(): list(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"}
    assert dots == {"full": [0.1 + each for each in SPREAD], "none": [0.01]}


@pytest.mark.parametrize("format", ["table", "markdown", "html", "latex"])
def test_numbers_of_papers_stand_in_tables_of_their_own(format: str) -> None:
    rows = aggregate(runs("vae", 0.1))
    text = render(rows, format, width=200, published=True)
    plain = " ".join(re.sub(r"\\(?=\W)|\$", "", text).split())
    assert "dSprites, numbers of a paper" in plain
    assert "InfoGAN-CR repo" in plain
    assert "0.63" in plain
    assert "Shapes3D, numbers" not in plain
    assert "paper" not in render(rows, format, width=200)
    alike = render(aggregate(on("shapes3d_lookalike", source="rendered", vae=0.1)), format, published=True)
    assert "numbers of a paper" not in alike, "look-alikes are not the data set of any paper"


def test_every_number_of_a_paper_is_shown_once() -> None:
    with papers_file().open(newline="") as file:
        lines = list(csv.DictReader(file))
    shown = [cell for block in blocks([], Page(published=True)) for row in block.rows[1:] for cell in row[1:]]
    assert sorted(cell.split(" ± ")[0] for cell in shown if cell != "-") == sorted(line["mean"] for line in lines)
    assert len({(line["dataset"], line["source"], line["method"], line["metric"]) for line in lines}) == len(lines)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX engine here")
def test_comparisons_standings_and_papers_compile(tmp_path: Path) -> None:
    failed = replace(runs("vae", 0.1)[0], seed=9, failure="killed", scores={}, untrained={})
    records = on("dsprites", "shapes3d", vae=0.1, beta_vae=0.5, **{"beta_vae+topdis": 0.6})
    text = render(aggregate([*records, replace(failed, key="vae dsprites")]), "latex", published=True)
    lines = [r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}", text, r"\end{document}"]
    (tmp_path / "table.tex").write_text("\n".join(lines))
    words = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
