"""Published results: what is submitted, recomputed, shown, and loaded again."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import disent_datasets
import numpy as np
import pytest
import safetensors.torch
import torch

import disent_bench as db
from disent_bench.cli.main import main
from disent_bench.leaderboard import published
from disent_bench.leaderboard.published import Suite, checked, is_verified, published_records
from disent_bench.leaderboard.records import Record
from disent_bench.leaderboard.rows import aggregate
from disent_bench.leaderboard.tables import tables
from disent_bench.runs import pretrained
from disent_bench.runs.folder import find_runs
from disent_bench.runs.result import Failure, Result
from disent_bench.runs.submission import verify

SETTINGS = {
    "steps": 3,
    "batch_size": 8,
    "log_every": 1,
    "scores.scores": ["mig", "factor_vae", "reconstruction"],
    "scores.num_train": 200,
    "scores.factor_vae.num_train": 20,
    "scores.factor_vae.num_eval": 20,
    "scores.factor_vae.num_variance": 50,
}
SUITE = "2030-01"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, root: Path) -> Path:
    """Two seeds of a method, one of a plug-in's, and one that failed."""
    runs = tmp_path_factory.mktemp("trained") / "runs"
    db.run("vae", "toy_grid", seeds="0-1", set=SETTINGS, runs=runs, data_dir=data_dir)
    plugin = root / "examples" / "my_method.py"
    db.run("my_method", "toy_grid", set=SETTINGS, runs=runs, data_dir=data_dir, plugins=[plugin])
    first = next(run for run in find_runs(runs) if "/vae/" in str(run.path))
    failed = first.path.with_name("seed-2")
    failed.mkdir()
    (failed / "config.yaml").write_text(first.config.read_text().replace("seed: 0", "seed: 2"))
    told = Result.read(first.result)
    identity = ("quick", "toy_grid", told.source, "vae", told.key, 2, told.note, told.changes, told.scoring)
    Failure(*identity, reason="loss not finite", traceback="/home/me", config=told.config).write(
        failed / "failure.json"
    )
    return runs


@pytest.fixture(scope="module")
def submitted(trained: Path, tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """What `submit` makes of them."""
    output = tmp_path_factory.mktemp("submitted") / "experiments"
    assert call("submit", trained, "--suite", SUITE, "--output", output, "--data-dir", data_dir) == 0
    return output


@pytest.fixture
def copy(submitted: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(submitted, tmp_path / "experiments"))


@pytest.fixture
def shipped(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy in place of what comes with the package."""
    monkeypatch.setattr(published, "shipped", lambda *parts: copy.parent.joinpath(*parts))
    monkeypatch.setattr(pretrained, "shipped", lambda *parts: copy.parent.joinpath(*parts))
    return copy


@pytest.fixture(scope="module")
def images(data_dir: Path) -> torch.Tensor:
    """A few of the set."""
    grid = disent_datasets.load("toy_grid", data_dir=data_dir)
    return torch.from_numpy(grid.images(np.arange(4))).permute(0, 3, 1, 2).float() / grid.scale


def call(*words: object) -> int:
    return main([str(word) for word in words])


def result(root: Path, method: str = "vae", seed: int = 0) -> Path:
    (path,) = root.glob(f"results/*/*/*/{method}/*/seed-{seed}/result.json")
    return path


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


# Submitting


def test_a_submission_holds_results_failures_models_of_ours_and_codes_of_plugins(submitted: Path) -> None:
    files = sorted(str(path.relative_to(submitted)) for path in submitted.rglob("*") if path.is_file())
    ends = [name.split("/toy_grid/")[-1] for name in files if "/toy_grid/" in name]
    (vae,), (mine,) = ({name.split("/")[1] for name in ends if name.startswith(f"{m}/")} for m in ("vae", "my_method"))
    models = [f"my_method/{mine}/seed-0.codes.safetensors", f"vae/{vae}/seed-0.safetensors"]
    models += [f"vae/{vae}/seed-1.safetensors"]
    results = [f"my_method/{mine}/seed-0/result.json"]
    results += [f"vae/{vae}/seed-{seed}/result.json" for seed in (0, 1)] + [f"vae/{vae}/seed-2/failure.json"]
    assert ends == models + results
    assert f"results/{SUITE}/suite.json" in files
    failure = json.loads(next(submitted.rglob("failure.json")).read_text())
    assert (failure["reason"], failure["traceback"]) == ("loss not finite", "")


def test_a_model_is_the_networks_and_nothing_else_to_the_last_bit(
    submitted: Path, trained: Path, images: torch.Tensor
) -> None:
    told = json.loads(result(submitted).read_text())
    (path,) = submitted.glob("models/*/*/*/vae/*/seed-0.safetensors")
    run = next(trained.glob("*/*/vae/*/seed-0"))
    module, original = pretrained.read_model(path, told["config"]), db.load_run(run)
    assert torch.equal(module.encode(images), original.encode(images))
    codes = module.encode(images)
    assert torch.equal(module.decode(codes), original.decode(codes))
    assert not module.training
    names = safetensors.torch.load_file(path)
    assert {name.partition(".")[0] for name in names} == {"encoder", "decoder"}


def test_half_precision_is_half_the_size_and_nearly_the_same(
    trained: Path, tmp_path: Path, data_dir: Path, images: torch.Tensor
) -> None:
    sizes = []
    for place, options in (("whole", []), ("half", ["--half"])):
        words = [trained, "--suite", SUITE, "--output", tmp_path / place, "--evidence", "median", *options]
        assert call("submit", *words, "--data-dir", data_dir) == 0
        (path,) = (tmp_path / place).glob("models/*/*/*/vae/*/*.safetensors")
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.52 * sizes[0]
    run = next(trained.glob("*/*/vae/*/seed-0"))
    seed = int(path.stem.removeprefix("seed-"))
    module = pretrained.read_model(path, json.loads(result(tmp_path / "half", seed=seed).read_text())["config"])
    torch.testing.assert_close(
        module.encode(images), db.load_run(run.with_name(f"seed-{seed}")).encode(images), atol=0.01, rtol=0.01
    )


def test_of_many_seeds_the_one_with_the_median_goes_along(trained: Path, tmp_path: Path, data_dir: Path) -> None:
    runs = Path(shutil.copytree(trained, tmp_path / "runs"))
    shutil.rmtree(next(runs.glob("*/*/vae/*/seed-2")))
    first = next(runs.glob("*/*/vae/*/seed-0"))
    for seed, mig in ((0, 0.9), (1, 0.1), (3, 0.4)):
        folder = first.with_name(f"seed-{seed}")
        if not folder.exists():
            shutil.copytree(first, folder)
            (folder / "config.yaml").write_text((folder / "config.yaml").read_text().replace("seed: 0", "seed: 3"))
        changed(folder / "result.json", lambda d, s=seed, m=mig: d.update(seed=s, scores={**d["scores"], "mig": m}))
    words = ["--suite", SUITE, "--output", tmp_path / "out", "--evidence", "median", "--data-dir", data_dir]
    assert call("submit", runs / "quick" / "toy_grid" / "vae", *words) == 0
    assert [path.name for path in (tmp_path / "out").glob("models/*/*/*/vae/*/*")] == ["seed-3.safetensors"]


def test_a_suite_stays_at_its_versions(copy: Path, trained: Path, data_dir: Path, refuse: Callable[..., None]) -> None:
    lock = copy / "results" / SUITE / "suite.json"
    assert json.loads(lock.read_text())["versions"]["score mig"] == 1
    changed(lock, lambda document: document["versions"].update({"term kl": 77}))
    before = lock.read_text()
    named = f"suite {SUITE} is frozen at term kl version 77, this result has 1"
    refuse(named, "submit", trained, "--suite", SUITE, "--output", copy, "--data-dir", data_dir)
    assert lock.read_text() == before
    lock.write_text("{")
    refuse("is no lock of a suite", "submit", trained, "--suite", SUITE, "--output", copy, "--data-dir", data_dir)


@pytest.fixture
def empty_cwd(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused must leave nothing behind there."""
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


@pytest.mark.usefixtures("empty_cwd")
def test_bad_submissions_are_refused_in_one_line(trained: Path, tmp_path: Path, refuse: Callable[..., None]) -> None:
    refuse("is no name of a folder", "submit", trained, "--suite", "../up")
    refuse("no finished runs in", "submit", tmp_path)
    refuse("no result.json in", "verify", tmp_path)


def test_the_commands_of_contributing_add_a_verified_row(root: Path, tmp_path: Path, data_dir: Path) -> None:
    commands = re.search(r"four commands.*?```sh\n(.*?)```", (root / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert commands is not None
    said = []
    for command in commands[1].splitlines():
        words = command.replace("dsprites", "toy_grid").replace("0-4", "0-1").replace("examples/", f"{root}/examples/")
        words = words.split() + ([f"--set={name}={json.dumps(value)}" for name, value in SETTINGS.items()] * (not said))
        environment = {**os.environ, "DISENT_DATA": str(data_dir)}
        call = [sys.executable, "-m", "disent_bench", *words[1:]]
        done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[2].splitlines()[-1] == "1 of 2 results verified, 1 with numbers alone, 0 wrong"
    assert len([*(tmp_path / "experiments").rglob("verified.json")]) == 1


# Recomputing


def test_what_was_submitted_is_recomputed(copy: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert call("verify", copy, "--write", "--data-dir", data_dir) == 0
    said = capsys.readouterr().out
    assert said.count("verified: ") == 3
    assert "4 scores from the model" in said
    assert "3 scores from the codes; nothing proves reconstruction_mse" in said
    assert said.splitlines()[-1] == "3 of 3 results verified, 0 with numbers alone, 0 wrong"
    for path in copy.rglob("result.json"):
        assert is_verified(path)
        found = json.loads(path.with_name("verified.json").read_text())
        told = json.loads(path.read_text())["scores"]
        assert found["scores"] == pytest.approx({name: told[name] for name in found["scores"]}, abs=1e-6)
    path = result(copy)
    changed(path, lambda document: document["scores"].update(mig=0.99))
    assert not is_verified(path)


def test_no_code_of_the_submitter_is_needed(copy: Path, data_dir: Path, tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "disent_bench",
        "verify",
        str(result(copy, "my_method")),
        "--data-dir",
        str(data_dir),
    ]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 scores from the codes" in done.stdout


@pytest.mark.parametrize(
    ("method", "difference"), [("vae", 0.02), ("my_method", 0.001)], ids=["from the model", "from the codes"]
)
def test_a_number_that_is_not_what_the_evidence_gives_is_found(
    copy: Path, data_dir: Path, capsys: pytest.CaptureFixture[str], method: str, difference: float
) -> None:
    path = result(copy, method)
    changed(path, lambda document: document["scores"].update(mig=document["scores"]["mig"] + difference))
    capsys.readouterr()
    assert call("verify", path, "--write", "--data-dir", data_dir) == 1
    assert capsys.readouterr().out.startswith(f"differs: {path}: mig ")
    assert not path.with_name("verified.json").exists()


def _other_weights(root: Path) -> None:
    (path,) = root.glob("models/*/*/*/vae/*/seed-0.safetensors")
    shutil.copy(path.with_name("seed-1.safetensors"), path)


def _no_weights(root: Path) -> None:
    next(root.glob("models/*/*/*/vae/*/seed-0.safetensors")).unlink()


def _own_weights(root: Path) -> None:
    """A file that its result names, but which is no model."""
    (path,) = root.glob("models/*/*/*/vae/*/seed-0.safetensors")
    path.write_bytes(b"no model")
    changed(result(root), lambda document: document["files"]["model"].update(sha256=published.digest(path)))


def _other_networks(root: Path) -> None:
    (path,) = root.glob("models/*/*/*/vae/*/seed-0.safetensors")
    tensors = safetensors.torch.load_file(path)
    tensors["encoder.more"] = torch.ones(1)
    told = {"image_shape": "[1, 64, 64]", "images": "10"}
    path.write_bytes(safetensors.torch.save(tensors, told))
    changed(result(root), lambda document: document["files"]["model"].update(sha256=published.digest(path)))


def _no_lock(root: Path) -> None:
    next(root.glob("results/*/suite.json")).unlink()


def _other_configuration(root: Path) -> None:
    changed(result(root), lambda document: document["config"].update(learning_rate=0.5))


def _other_scoring(root: Path) -> None:
    changed(result(root), lambda document: document["scoring"].update(key="0" * 12))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_other_weights, "is another file than"),
        (_no_weights, "which is not there"),
        (_own_weights, "holds no model"),
        (_other_networks, "holds other networks than its configuration has: encoder.more"),
        (_no_lock, "has no lock that covers"),
        (_other_configuration, "does not follow from the configuration"),
        (_other_scoring, "was scored by other versions"),
    ],
)
def test_evidence_that_is_none_is_named(
    copy: Path, data_dir: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], named: str
) -> None:
    spoil(copy)
    capsys.readouterr()
    assert call("verify", result(copy), "--data-dir", data_dir) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("not verified: ")
    assert named in said[0]
    assert said[1:] == ["0 of 1 results verified, 0 with numbers alone, 1 wrong"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d.pop("scores"), "'scores' is a required property"),
        (lambda d: d["scores"].update(mig="high"), "scores.mig: 'high' is not of type 'number', 'null'"),
        (lambda d: d.update(seed=-1), "seed: -1 is less than the minimum of 0"),
        (lambda d: d.update(extra=1), "'extra' was unexpected"),
        (lambda d: d.update(method="../../up"), "method: '../../up' does not match"),
        (lambda d: d["files"].update(program={}), "'program' is not one of"),
        (lambda d: d.update(method="gmg"), "is a result of quick/toy_grid/gmg/"),
    ],
)
def test_a_result_is_held_against_the_schema(
    copy: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    path = result(copy)
    checked(path)
    changed(path, change)
    with pytest.raises(ValueError, match="result") as caught:
        checked(path)
    assert named in str(caught.value)


def test_numbers_alone_are_valid_and_said_to_be_that(
    trained: Path, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--suite", SUITE, "--output", tmp_path, "--evidence", "none", "--data-dir", data_dir]
    assert call("submit", trained, *words) == 0
    assert not (tmp_path / "models").exists()
    capsys.readouterr()
    assert call("verify", tmp_path, "--write") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 of 3 results verified, 3 with numbers alone, 0 wrong"
    assert not [*tmp_path.rglob("verified.json")]


# Shown


def test_published_rows_stand_beside_own_ones_and_say_what_is_proven(
    shipped: Path, trained: Path, data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert call("verify", result(shipped, seed=1), "--write", "--data-dir", data_dir) == 0
    (shipped / "results" / "papers.csv").write_text("dataset,source,method,metric,mean,std\n")
    capsys.readouterr()
    assert call("leaderboard", "--runs", trained, "--published") == 0
    said = capsys.readouterr().out
    for name, seeds in (
        ("vae (2030-01, 1 of 2 verified)", "2/3"),
        ("my_method (2030-01, submitted)", "1"),
        ("vae", "2/3"),
    ):
        assert any(line.strip("* ").startswith(f"{name} ") and f" {seeds} " in line for line in said.splitlines()), name
    assert call("leaderboard", "--runs", trained) == 0
    assert "2030-01" not in capsys.readouterr().out
    (board,) = tables(aggregate(published_records()))
    assert [line.row.verified for line in board.lines] == [(), (1,)]
    frame = db.results()
    assert sorted(frame["verified"]) == [False, False, False, True]
    assert set(frame["suite"]) == {SUITE}
    assert "2030-01, 1 of 2 verified" in db.leaderboard().to_text("html")


def test_the_newest_suite_is_joined_unless_another_is_named(
    shipped: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("submit", trained, "--evidence", "none") == 0
    assert [path.name for path in (tmp_path / "submission" / "results").iterdir()] == [SUITE]
    shutil.rmtree(shipped / "results")
    assert re.fullmatch(r"\d{4}-\d\d", published.newest_suite(tmp_path / "nowhere"))


def test_suites_are_told_apart_and_unknown_ones_named(shipped: Path) -> None:
    shutil.copytree(shipped / "results" / SUITE, shipped / "results" / "2031-06")
    assert {record.suite for record in published_records()} == {SUITE, "2031-06"}
    assert len(aggregate(published_records())) == 4
    assert {record.suite for record in published_records(suite="2031-06")} == {"2031-06"}
    with pytest.raises(ValueError, match="unknown suite '2031'"):
        published_records(suite="2031")


def test_published_results_are_read_without_torch(root: Path) -> None:
    code = "import disent_bench, sys; disent_bench.results(); assert 'torch' not in sys.modules, 'torch'"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Loaded


def test_a_published_model_is_one_line_away(shipped: Path, trained: Path, images: torch.Tensor) -> None:
    module = db.load_pretrained("vae", "toy_grid", seed=1)
    original = db.load_run(next(trained.glob("*/*/vae/*/seed-1")))
    assert torch.equal(module.encode(images), original.encode(images))
    named = "no model of vae on toy_grid under quick, seed 7, is published; there are: vae on toy_grid under quick"
    with pytest.raises(ValueError, match=named):
        db.load_pretrained("vae", "toy_grid", seed=7)
    with pytest.raises(ValueError, match="unknown method 'topdiss'"):
        db.load_pretrained("topdiss", "toy_grid")
    _other_weights(shipped)
    with pytest.raises(OSError, match="another file than its result names"):
        db.load_pretrained("vae", "toy_grid")


@pytest.fixture
def address(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Models that are not here but behind an address."""
    (shipped / "models").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "elsewhere"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_model_that_is_not_here_is_downloaded_once_and_checked(
    address: str, tmp_path: Path, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(pretrained.ADDRESS, raising=False)
    with pytest.raises(OSError, match="set DISENT_MODELS"):
        db.load_pretrained("vae", "toy_grid")
    monkeypatch.setenv(pretrained.ADDRESS, address)
    codes = db.load_pretrained("vae", "toy_grid").encode(images)
    shutil.rmtree(tmp_path / "elsewhere" / SUITE / "quick" / "toy_grid" / "vae")
    assert torch.equal(codes, db.load_pretrained("vae", "toy_grid").encode(images))
    with pytest.raises(OSError, match="cannot be had from"):
        db.load_pretrained("vae", "toy_grid", seed=1)


def test_a_download_that_is_another_file_is_not_kept(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pretrained.ADDRESS, address)
    _other_weights_at(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="cannot be had from"):
        db.load_pretrained("vae", "toy_grid")
    assert not [*(tmp_path / "cache").rglob("*.safetensors")]


def _other_weights_at(models: Path) -> None:
    (path,) = models.glob("*/*/*/vae/*/seed-0.safetensors")
    shutil.copy(path.with_name("seed-1.safetensors"), path)


# What comes with this package


def test_what_is_published_here_is_valid_and_what_is_proven_says_so(root: Path) -> None:
    for path in (root / "experiments" / "results").glob("*/**/result.json"):
        document = checked(path)
        suite = Suite.read(path.parents[5])
        assert suite.with_result(document).versions == suite.versions
        assert is_verified(path) == bool(document.get("files"))


PROVEN = [record for record in published_records() if record.files]


@pytest.mark.slow
@pytest.mark.parametrize("record", PROVEN, ids=[f"{r.method}-{r.dataset}-{r.seed}" for r in PROVEN])
def test_what_is_published_here_is_recomputed(record: Record, data_dir: Path) -> None:
    verdict = verify(record.path, data_dir=data_dir)
    assert verdict.differing == {}
    assert verdict.unproven == ()


def test_the_models_here_are_those_that_results_name_and_not_too_large(root: Path) -> None:
    models = root / "experiments" / "models"
    named = {pretrained.model_file(record): record for record in published_records() if "model" in record.files}
    files = {path for path in models.rglob("*") if path.is_file()}
    assert files == set(named)
    assert sum(path.stat().st_size for path in files) <= 40_000_000
