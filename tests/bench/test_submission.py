"""What is submitted, and how it is recomputed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import disent_bench as db
from disent_bench.cli.main import main
from disent_bench.leaderboard import published
from disent_bench.leaderboard.published import checked, is_verified
from disent_bench.runs import pretrained

pytestmark = [pytest.mark.usefixtures("forgetting"), pytest.mark.xdist_group("submission")]  # one submission for all
SUITE = "2030-01"


@pytest.fixture
def empty_cwd(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused must leave nothing behind there."""
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


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
    submitted: Path, mixed_runs: Path, toy_images: torch.Tensor
) -> None:
    told = json.loads(result(submitted).read_text())
    (path,) = submitted.glob("models/*/*/*/vae/*/seed-0.safetensors")
    run = next(mixed_runs.glob("*/*/vae/*/seed-0"))
    module, original = pretrained.read_model(path, told["config"]), db.load_run(run)
    assert torch.equal(module.encode(toy_images), original.encode(toy_images))
    codes = module.encode(toy_images)
    assert torch.equal(module.decode(codes), original.decode(codes))
    assert not module.training
    names = safetensors.torch.load_file(path)
    assert {name.partition(".")[0] for name in names} == {"encoder", "decoder"}


def test_half_precision_is_half_the_size_and_nearly_the_same(
    mixed_runs: Path, tmp_path: Path, data_dir: Path, toy_images: torch.Tensor
) -> None:
    sizes = []
    for place, options in (("whole", []), ("half", ["--half"])):
        words = [mixed_runs, "--suite", SUITE, "--output", tmp_path / place, "--evidence", "median", *options]
        assert call("submit", *words, "--data-dir", data_dir) == 0
        (path,) = (tmp_path / place).glob("models/*/*/*/vae/*/*.safetensors")
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.52 * sizes[0]
    run = next(mixed_runs.glob("*/*/vae/*/seed-0"))
    seed = int(path.stem.removeprefix("seed-"))
    module = pretrained.read_model(path, json.loads(result(tmp_path / "half", seed=seed).read_text())["config"])
    torch.testing.assert_close(
        module.encode(toy_images), db.load_run(run.with_name(f"seed-{seed}")).encode(toy_images), atol=0.01, rtol=0.01
    )


def test_of_many_seeds_the_one_with_the_median_goes_along(mixed_runs: Path, tmp_path: Path, data_dir: Path) -> None:
    runs = Path(shutil.copytree(mixed_runs, tmp_path / "runs"))
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


@pytest.mark.usefixtures("empty_cwd")
def test_a_suite_stays_at_its_versions(
    submission: Path, mixed_runs: Path, data_dir: Path, refuse: Callable[..., None]
) -> None:
    lock = submission / "results" / SUITE / "suite.json"
    assert json.loads(lock.read_text())["versions"]["score mig"] == 1
    changed(lock, lambda document: document["versions"].update({"term kl": 77}))
    before = lock.read_text()
    named = f"suite {SUITE} is frozen at term kl version 77, this result has 1"
    refuse(named, "submit", mixed_runs, "--suite", SUITE, "--output", submission, "--data-dir", data_dir)
    assert lock.read_text() == before
    lock.write_text("{")
    refuse(
        "is no lock of a suite", "submit", mixed_runs, "--suite", SUITE, "--output", submission, "--data-dir", data_dir
    )


@pytest.mark.usefixtures("empty_cwd")
def test_bad_submissions_are_refused_in_one_line(mixed_runs: Path, tmp_path: Path, refuse: Callable[..., None]) -> None:
    refuse("is no name of a folder", "submit", mixed_runs, "--suite", "../up")
    refuse("no finished runs in", "submit", tmp_path)
    refuse("no result.json in", "verify", tmp_path)


def test_the_commands_of_contributing_add_a_verified_row(
    root: Path, tmp_path: Path, data_dir: Path, small_settings: dict[str, Any]
) -> None:
    commands = re.search(r"four commands.*?```sh\n(.*?)```", (root / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert commands is not None
    said = []
    for command in commands[1].splitlines():
        words = command.replace("dsprites", "toy_grid").replace("0-4", "0-1").replace("examples/", f"{root}/examples/")
        words = words.split() + ([f"--set={key}={json.dumps(v)}" for key, v in small_settings.items()] * (not said))
        environment = {**os.environ, "DISENT_DATA": str(data_dir)}
        call = [sys.executable, "-m", "disent_bench", *words[1:]]
        done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[2].splitlines()[-1] == "1 of 2 results verified, 1 with numbers alone, 0 wrong"
    assert len([*(tmp_path / "experiments").rglob("verified.json")]) == 1


# Recomputing


def test_what_was_submitted_is_recomputed(submission: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert call("verify", submission, "--write", "--data-dir", data_dir) == 0
    said = capsys.readouterr().out
    assert said.count("verified: ") == 3
    assert "4 scores from the model" in said
    assert "3 scores from the codes; nothing proves reconstruction_mse" in said
    assert said.splitlines()[-1] == "3 of 3 results verified, 0 with numbers alone, 0 wrong"
    for path in submission.rglob("result.json"):
        assert is_verified(path)
        found = json.loads(path.with_name("verified.json").read_text())
        told = json.loads(path.read_text())["scores"]
        assert found["scores"] == pytest.approx({name: told[name] for name in found["scores"]}, abs=1e-6)
    path = result(submission)
    changed(path, lambda document: document["scores"].update(mig=0.99))
    assert not is_verified(path)


def test_no_code_of_the_submitter_is_needed(submission: Path, data_dir: Path, tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "disent_bench",
        "verify",
        str(result(submission, "my_method")),
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
    submission: Path, data_dir: Path, capsys: pytest.CaptureFixture[str], method: str, difference: float
) -> None:
    path = result(submission, method)
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


def _no_configuration(root: Path) -> None:
    changed(result(root), lambda document: document["config"].update(scores=[1]))


def _other_arguments(root: Path) -> None:
    changed(result(root), lambda document: document["config"]["terms"]["kl"].update(weight={"kind": 3}))


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
        (_no_configuration, "holds no configuration of a run"),
        (_other_arguments, "does not follow from the configuration"),
        (_other_scoring, "was scored by other versions"),
    ],
)
def test_evidence_that_is_none_is_named(
    submission: Path, data_dir: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], named: str
) -> None:
    spoil(submission)
    capsys.readouterr()
    assert call("verify", result(submission), "--data-dir", data_dir) == 1
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
    submission: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    path = result(submission)
    checked(path)
    changed(path, change)
    with pytest.raises(ValueError, match="result") as caught:
        checked(path)
    assert named in str(caught.value)


def test_numbers_alone_are_valid_and_said_to_be_that(
    mixed_runs: Path, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--suite", SUITE, "--output", tmp_path, "--evidence", "none", "--data-dir", data_dir]
    assert call("submit", mixed_runs, *words) == 0
    assert not (tmp_path / "models").exists()
    capsys.readouterr()
    assert call("verify", tmp_path, "--write") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 of 3 results verified, 3 with numbers alone, 0 wrong"
    assert not [*tmp_path.rglob("verified.json")]
