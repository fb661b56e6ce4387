import itertools
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import disent_metrics
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import disent_bench
from disent_bench.leaderboard.records import Record, read_records
from disent_bench.leaderboard.render import render
from disent_bench.leaderboard.rows import aggregate, summarise
from disent_bench.leaderboard.statistics import student_interval
from disent_bench.leaderboard.tables import tables
from disent_bench.runs.folder import RunFolder, RunKey
from disent_bench.runs.result import Failure, Result, Scoring

IDENTITY = {
    "schema": 1,
    "protocol": "quick",
    "dataset": "dsprites",
    "source": "drawn",
    "method": "topdis",
    "key": "3f2a",
    "seed": 0,
    "note": "not comparable with papers",
    "changes": {},
}
RESULT = {**IDENTITY, "scores": {"mig": 0.5}, "errors": {}, "untrained": {"mig": 0.01}}
FAILURE = {**IDENTITY, "reason": "loss not finite at step 50"}


def folder(root: Path, document: dict[str, Any]) -> Path:
    parts = [str(document[name]) for name in ("protocol", "dataset", "method", "key")]
    path = root.joinpath(*parts, f"seed-{document['seed']}")
    path.mkdir(parents=True, exist_ok=True)
    return path


def save(root: Path, document: dict[str, Any], **changed: Any) -> Path:
    document = {**document, **changed}
    path = folder(root, document) / ("failure.json" if "reason" in document else "result.json")
    path.write_text(json.dumps(document))
    return path


def record(seed: int = 0, **changed: Any) -> Record:
    fields = {
        "protocol": "quick",
        "dataset": "dsprites",
        "source": "drawn",
        "method": "topdis",
        "key": "3f2a",
    }
    return Record(**{**fields, "scoring": Scoring("quick"), "seed": seed, **changed})


CONFIG = {"steps": 4000, "terms": {"kl": {"weight": 1.0}}, "versions": {"term kl": 1}}
SCORING = Scoring("quick", 1, "abc", {}, {"mig": 1})


def written(root: Path, seed: int = 0, key: str = "3f2a", scoring: Scoring = SCORING, **changed: Any) -> Path:
    """Write a result, beside the first one of the run if there is one."""
    run = RunFolder(RunKey("quick", "dsprites", "topdis", key, seed).folder(root))
    path = run.scores(scoring) if run.result.exists() else run.result
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {"scores": {"mig": 0.5}, "errors": {}, "untrained": {"mig": 0.01}, "config": CONFIG, **changed}
    Result("quick", "dsprites", "drawn", "topdis", key, seed, "", {}, scoring, **fields).write(path)
    return path


# Reading


def test_reads_a_result_and_a_failure(tmp_path: Path) -> None:
    save(tmp_path, RESULT, changes={"steps": 200}, errors={"dci": "too few\n samples"}, training={"steps": 1})
    save(tmp_path, FAILURE, seed=1)
    assert read_records(tmp_path) == [
        record(
            note="not comparable with papers",
            changes={"steps": 200},
            scores={"mig": 0.5},
            errors={"dci": "too few samples"},
            untrained={"mig": 0.01},
            training={"steps": 1},
        ),
        record(1, note="not comparable with papers", failure="loss not finite at step 50"),
    ]


def test_reads_what_a_run_writes(tmp_path: Path) -> None:
    result = Result.read(written(tmp_path, scores={"mig": 0.5, "sap": math.nan}, notes=("few", "small")))
    assert math.isnan(result.scores["sap"])
    assert (result.scoring, result.notes, result.config) == (SCORING, ("few", "small"), CONFIG)
    failure = Failure("quick", "dsprites", "drawn", "topdis", "3f2a", 1, "", {}, SCORING, "loss not finite at step 50")
    folder(tmp_path, {**RESULT, "seed": 1})
    path = RunKey("quick", "dsprites", "topdis", "3f2a", 1).folder(tmp_path) / "failure.json"
    failure.write(path)
    assert Failure.read(path) == failure
    found = [(r.seed, r.scores.get("mig"), r.failure) for r in read_records(tmp_path)]
    assert found == [(0, 0.5, None), (1, None, "loss not finite at step 50")]
    (row,) = aggregate(read_records(tmp_path))
    assert (row.seeds, row.failures) == ((0,), {1: "loss not finite at step 50"})


def test_a_run_scored_in_two_ways_stands_in_two_tables(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, scoring=Scoring("locatello2019", 1, "def", {}, {"mig": 1}), scores={"mig": 0.25})
    written(tmp_path, scoring=Scoring("quick", 1, "ghi", {"mig": {"num_bins": 5}}, {"mig": 1}), scores={"mig": 0.125})
    found = {table.title: table.lines[0].row.scores["mig"].mean for table in tables(aggregate(read_records(tmp_path)))}
    assert found == {
        "dsprites (drawn), protocol quick@1": 0.5,
        "dsprites (drawn), protocol quick, scores of locatello2019@1": 0.25,
        'dsprites (drawn), protocol quick@1 [scores.mig={"num_bins": 5}]': 0.125,
    }


def test_scores_of_different_versions_never_share_a_table(tmp_path: Path) -> None:
    written(tmp_path, seed=0)
    written(tmp_path, seed=1, scoring=Scoring("quick", 1, "new", {}, {"mig": 2}))
    found = tables(aggregate(read_records(tmp_path)))
    title = "dsprites (drawn), protocol quick@1"
    assert {table.title for table in found} == {f"{title} (mig version 1)", f"{title} (mig version 2)"}
    assert [table.lines[0].row.seeds for table in found] in ([(0,), (1,)], [(1,), (0,)])


def test_results_are_a_data_frame_of_one_row_per_run(tmp_path: Path) -> None:
    written(tmp_path, training={"steps": 4000, "seconds": 2.0, "steps_per_second": 2000.0}, environment={"torch": "2"})
    save(tmp_path, FAILURE, seed=1)
    frame = disent_bench.results(tmp_path)
    assert list(frame["state"]) == ["done", "failed"]
    assert list(frame["scoring"]) == ["quick@1", "quick"]
    first = frame.iloc[0]
    assert (first["mig"], first["untrained_mig"], first["steps"], first["torch"]) == (0.5, 0.01, 4000, "2")
    assert Path(first["folder"]) == RunKey("quick", "dsprites", "topdis", "3f2a", 0).folder(tmp_path)
    assert list(disent_bench.results(tmp_path / "missing").columns)[:3] == ["protocol", "dataset", "source"]


def test_unfinished_and_foreign_folders_are_passed_over_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder(tmp_path, RESULT) / "config.yaml").write_text("steps: 1\n")
    (tmp_path / "notes").mkdir()
    assert read_records(tmp_path) == []
    assert read_records(tmp_path / "missing") == []
    assert capsys.readouterr() == ("", "")


def test_a_result_outweighs_an_earlier_failure(tmp_path: Path) -> None:
    save(tmp_path, RESULT)
    save(tmp_path, FAILURE)
    assert [r.failure for r in read_records(tmp_path)] == [None]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"schema": 1, "protocol": "qu', "Unterminated string"),
        (b"", "Expecting value"),
        (b"\xff\xfe\x00", "decode"),
        (b"[1, 2]", "not a JSON object"),
        (json.dumps({**RESULT, "schema": 3}).encode(), "'schema' is 3; this version reads 1 and 2"),
        (json.dumps({k: v for k, v in RESULT.items() if k != "schema"}).encode(), "'schema' is None"),
        (json.dumps({k: v for k, v in RESULT.items() if k != "method"}).encode(), "'method' should be"),
        (json.dumps({**RESULT, "seed": "0"}).encode(), "'seed' should be of type int, not '0'"),
        (
            json.dumps({**RESULT, "scores": {"mig": "0.1"}}).encode(),
            "'scores' holds '0.1' for mig, not a number",
        ),
        (json.dumps({**RESULT, "scores": [0.1]}).encode(), "'scores' should be of type dict"),
    ],
)
def test_a_damaged_file_is_named_in_one_line_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, reason: str
) -> None:
    save(tmp_path, RESULT, seed=0)
    damaged = save(tmp_path, RESULT, seed=1)
    damaged.write_bytes(content)
    save(tmp_path, RESULT, seed=2)
    assert [r.seed for r in read_records(tmp_path)] == [0, 2]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"left out {damaged}: ")
    assert reason in err
    assert err.count("\n") == 1


def test_a_copied_run_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, RESULT)
    copy = folder(tmp_path, {**RESULT, "seed": 7}) / "result.json"
    copy.write_text(json.dumps(RESULT))
    assert [r.seed for r in read_records(tmp_path)] == [0]
    assert capsys.readouterr().err == f"left out {copy}: another folder holds seed 0 of the same run\n"


def test_filters(tmp_path: Path) -> None:
    for protocol, dataset, method in itertools.product(("quick", "full"), ("dsprites", "cars3d"), ("vae", "topdis")):
        save(tmp_path, RESULT, protocol=protocol, dataset=dataset, method=method)
    assert len(read_records(tmp_path)) == 8
    assert {r.protocol for r in read_records(tmp_path, protocol="full")} == {"full"}
    (only,) = read_records(tmp_path, protocol="quick", dataset="cars3d", method="vae")
    assert (only.protocol, only.dataset, only.method) == ("quick", "cars3d", "vae")


# Aggregation


def test_mean_and_deviation_by_hand() -> None:
    rows = aggregate(record(seed, scores={"mig": value}) for seed, value in ((2, 0.1), (0, 0.2), (1, 0.6)))
    (row,) = rows
    score = row.scores["mig"]
    assert row.seeds == score.seeds == (0, 1, 2)
    assert score.n == 3
    assert score.mean == pytest.approx(0.3)
    assert score.std == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2))
    assert score.higher_is_better is True


def test_one_seed_has_neither_deviation_nor_interval() -> None:
    (row,) = aggregate([record(4, scores={"mig": 0.25})])
    score = row.scores["mig"]
    assert (score.mean, score.std, score.ci95, score.n) == (0.25, None, None, 1)


def test_equal_scores_have_no_spread() -> None:
    score = summarise(dict.fromkeys(range(7), 0.1))
    assert (score.mean, score.std, score.ci95) == (0.1, 0.0, (0.1, 0.1))


@pytest.mark.parametrize("name", ["protocol", "dataset", "source", "method", "key"])
def test_different_configurations_never_share_a_row(name: str) -> None:
    rows = aggregate([record(0, scores={"mig": 0.1}), record(1, scores={"mig": 0.9}, **{name: "other"})])
    assert sorted(row.scores["mig"].mean for row in rows) == [0.1, 0.9]


def test_changed_score_settings_never_share_a_row() -> None:
    rows = aggregate(
        [record(0, scores={"mig": 0.1}), record(1, scores={"mig": 0.9}, changes={"scores.mig.num_bins": 5})]
    )
    assert [row.changes for row in rows] == [{}, {"scores.mig.num_bins": 5}]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_missing_with_a_reason(value: float) -> None:
    (row,) = aggregate([record(0, scores={"mig": 0.2}), record(1, scores={"mig": value}, untrained={"sap": value})])
    assert (row.scores["mig"].mean, row.scores["mig"].seeds) == (0.2, (0,))
    assert row.errors == {
        "mig": {1: f"not a finite number ({value})"},
        "untrained sap": {1: f"not a finite number ({value})"},
    }
    assert row.untrained.get("sap", ()) == ()


@pytest.mark.parametrize("text", ["NaN", "null"])
def test_nan_in_a_file_is_read_as_missing(tmp_path: Path, text: str) -> None:
    path = save(tmp_path, RESULT)
    path.write_text(path.read_text().replace("0.5", text))
    (row,) = aggregate(read_records(tmp_path))
    assert row.scores == {}
    assert row.errors == {"mig": {0: "not a finite number (nan)"}}


def test_failed_seeds_stand_beside_the_finished_ones() -> None:
    (row,) = aggregate([record(0, scores={"mig": 0.2}), record(3, failure="killed"), record(1, failure="nan")])
    assert (row.seeds, row.failures) == ((0,), {1: "nan", 3: "killed"})
    (row,) = aggregate([record(3, failure="killed")])
    assert (row.seeds, row.scores) == ((), {})


def test_directions_come_from_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disent_metrics, "higher_is_better", {"a": True, "b": False, "c": None}.get)
    (row,) = aggregate([record(scores={"a": 1, "b": 1, "c": 1})])
    assert {name: score.higher_is_better for name, score in row.scores.items()} == {
        "a": True,
        "b": False,
        "c": None,
    }


# Interval


def test_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).normal(0.4, 0.1, size=12)
    theirs = scipy.stats.t.interval(0.95, 11, loc=values.mean(), scale=scipy.stats.sem(values))
    assert student_interval(list(values)) == pytest.approx(theirs, rel=1e-12)


def test_of_two_values_by_hand() -> None:
    """With one degree of freedom t is Cauchy's distribution, whose quantile is a tangent."""
    half = math.tan(math.pi * 0.475) * 0.3
    assert student_interval([0.1, 0.7]) == pytest.approx((0.4 - half, 0.4 + half))
    assert student_interval([0.1, 0.7], (0.0, 1.0)) == (0.0, 1.0)
    assert summarise({0: 0.1, 1: 0.7}, "mig").ci95 == (0.0, 1.0)
    assert summarise({0: 0.1, 1: 0.7}, "no_such_score").ci95 == pytest.approx((0.4 - half, 0.4 + half))


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_covers_the_mean_in_95_of_100_cases(n: int) -> None:
    rng = np.random.default_rng(8)
    intervals = [student_interval(list(rng.normal(size=n))) for _ in range(4_000)]
    assert np.mean([low <= 0 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.011)


values_of_seeds = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12)


@settings(max_examples=60, deadline=None)
@given(values_of_seeds, st.floats(-10, 10))
def test_interval_moves_and_turns_with_the_values(values: list[float], shift: float) -> None:
    low, high = student_interval(values)
    assert low <= np.mean(values) + 1e-9
    assert high >= np.mean(values) - 1e-9
    assert student_interval([v + shift for v in values]) == pytest.approx((low + shift, high + shift), abs=1e-6)
    assert student_interval([-v for v in values]) == pytest.approx((-high, -low), abs=1e-6)


@pytest.mark.parametrize("values", [[], [0.1], [0.1, math.nan], [0.1, math.inf]])
def test_interval_refuses_what_has_none(values: list[float]) -> None:
    with pytest.raises(ValueError, match="values must be two or more finite numbers"):
        student_interval(values)


def test_imports_no_training_code() -> None:
    code = "import sys, disent_bench.leaderboard.render; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    ours = {name.split(".")[1] for name in out.split() if name.startswith("disent_bench.")}
    assert ours <= {"leaderboard", "runs", "files", "registry", "text"}
    assert not {"torch", "lightning"} & set(out.split())


# Untrained references and notes


def network(latent_dim: int, value: float, **changed: Any) -> Record:
    config = {**CONFIG, "network": "roth2023", "latent_dim": latent_dim, "bottleneck": {"name": "gaussian"}}
    fields = {"key": f"k{latent_dim}", "config": config, "untrained": {"mig": value}, "scores": {"mig": 0.5}}
    return record(0, **{**fields, **changed})


def test_networks_that_differ_have_an_untrained_line_each() -> None:
    (table,) = tables(aggregate([network(10, 0.01), network(30, 0.03), network(10, 0.02, method="vae", key="v")]))
    assert table.untrained == {
        "(untrained, latent_dim=10)": {"mig": pytest.approx(0.015)},
        "(untrained, latent_dim=30)": {"mig": 0.03},
    }
    (table,) = tables(aggregate([network(10, 0.01), network(10, 0.02, method="vae", key="v")]))
    assert table.untrained == {"(untrained)": {"mig": pytest.approx(0.015)}}


def test_networks_with_the_same_untrained_scores_share_a_line() -> None:
    pairs = {**network(10, 0.01).config, "bottleneck": {"name": "group"}}
    alike = [network(10, 0.01), network(10, 0.01, config=pairs, method="ada_gvae", key="a")]
    (table,) = tables(aggregate(alike))
    assert table.untrained == {"(untrained)": {"mig": 0.01}}
    (table,) = tables(aggregate([*alike, network(30, 0.03, method="vae", key="v")]))
    assert table.untrained == {"(untrained, latent_dim=10)": {"mig": 0.01}, "(untrained, latent_dim=30)": {"mig": 0.03}}
    crossed = [network(30, 0.01, config={**pairs, "latent_dim": 30}, method="ada_gvae", key="a"), network(10, 0.01)]
    crossed += [network(10, 0.03, config=pairs, method="hfs", key="h"), network(30, 0.03, key="k")]
    (table,) = tables(aggregate(crossed))
    assert sorted(score["mig"] for score in table.untrained.values()) == [0.01, 0.03]


def test_what_to_know_of_the_data_stands_below_the_table_once() -> None:
    (table,) = tables(aggregate([network(10, 0.01, notes=("few images",)), network(30, 0.03, notes=("few images",))]))
    assert table.footnotes.count("few images") == 1


def test_a_score_of_fewer_seeds_than_the_line_says_how_many() -> None:
    runs = [record(seed=seed, scores={"mig": 0.1, "sap": 0.2}) for seed in (0, 1, 2)]
    runs += [record(seed=seed, scores={"mig": 0.1}) for seed in (3, 4)]
    other = {"method": "vae", "key": "77aa"}
    runs += [record(**other, scores={"mig": 0.2}), record(1, **other, scores={"sap": 0.2})]
    rows = aggregate(runs)
    for form in ("table", "markdown", "latex", "html"):
        text = render(rows, form)
        assert text.count("(n 3)") == 1, form  # topdis has SAP of three of five seeds
        assert text.count("(n 1)") == 2, form
