"""Failures of a run that are no mistakes of the user's input."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import ClassVar

import disent_datasets as dd
import lightning
import numpy as np
import pytest
import torch

import disent_bench.module
from disent_bench import Objective, Pass
from disent_bench.config.resolve import resolve
from disent_bench.module import DisentModule, Training
from disent_bench.registry import METHODS, register_method
from disent_bench.runs.callbacks.checkpoint import read_checkpoint
from disent_bench.runs.callbacks.evaluate import score_module
from disent_bench.runs.exact import full_float32
from disent_bench.runs.folder import RunFolder
from disent_bench.runs.model import load_grid, load_run, rehearse
from disent_bench.runs.train import rescore, run, run_key
from disent_bench.terms import KL, Reconstruction

SHORT = {"steps": 4, "batch_size": 8, "scores.scores": ["mig"], "scores.num_train": 200, "evaluate_every": 0}


class Broken(lightning.LightningModule):
    """Raises what a careless training step raises, in its third step."""

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(64 * 64, 3)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images.flatten(1))

    def training_step(self, batch, batch_idx: int) -> torch.Tensor:
        if batch_idx == 2:  # not in the rehearsal
            raise ValueError("shapes do not match")
        return self.encode(batch.images).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    register_method("broken")(Broken)
    return "broken"


def test_an_error_while_training_is_a_failed_run_with_its_traceback(
    broken: str, tmp_path: Path, data_dir: Path
) -> None:
    config = resolve(broken, "toy_grid", "quick", overrides=SHORT)
    outcome = run(config, 0, runs=tmp_path, data_dir=data_dir, say=lambda line: None)
    assert outcome.status == "failed"
    assert outcome.reason == "ValueError: shapes do not match"
    record = json.loads((outcome.folder / "failure.json").read_text())
    assert "training_step" in record["traceback"]


class Diverging(Broken):
    """Its loss becomes NaN after the rehearsal; its codes then are."""

    def training_step(self, batch, batch_idx: int) -> torch.Tensor:
        loss = self.encode(batch.images).square().mean()
        return loss * float("nan") if batch_idx > 0 else loss


@pytest.mark.parametrize(
    ("log_every", "reason"),
    [(1, "loss not finite at step 2"), (50, "no score could be computed: the encoder's codes")],
)
def test_a_module_that_diverges_is_a_failed_run(
    log_every: int, reason: str, broken: str, tmp_path: Path, data_dir: Path
) -> None:
    register_method("diverging")(Diverging)
    config = resolve("diverging", "toy_grid", "quick", overrides={**SHORT, "log_every": log_every})
    outcome = run(config, 0, runs=tmp_path, data_dir=data_dir, say=lambda line: None)
    assert outcome.status == "failed"
    assert outcome.reason.startswith(reason)
    assert not (outcome.folder / "result.json").exists()


class Exact(Broken):
    """Says in what precision a GPU would compute."""

    seen: ClassVar[set[tuple[bool, str]]] = set()

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.add((torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()))
        return super().encode(images)

    def training_step(self, batch, batch_idx: int) -> torch.Tensor:
        return self.encode(batch.images).square().mean()


def test_float32_is_not_tf32(broken: str, tmp_path: Path, data_dir: Path) -> None:
    register_method("exact")(Exact)
    assert torch.backends.cudnn.allow_tf32, "torch's default, which is put back afterwards"
    config = resolve("exact", "toy_grid", "quick", overrides=SHORT)
    assert run(config, 0, runs=tmp_path, data_dir=data_dir, say=lambda line: None).status == "done"
    assert Exact.seen == {(False, "highest")}
    Exact.seen.clear()
    score_module(Exact((1, 64, 64)), load_grid(config, data_dir), config.scores)
    assert Exact.seen == {(False, "highest")}, "also outside of a run"
    assert torch.backends.cudnn.allow_tf32


def test_tf32_is_of_steps_and_of_convolutions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, str]] = []

    class Sees(Reconstruction):
        def forward(self, p: Pass) -> torch.Tensor:
            value = super().forward(p)
            value.register_hook(lambda gradient: look())
            look()
            return value

    def look() -> None:
        seen.append((torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()))

    training = Training(network="roth2023", precision="tf32")
    module = DisentModule(Objective(Sees(), KL()), (1, 64, 64), 100, training)
    images = torch.rand(4, 1, 64, 64)
    with pytest.raises(ValueError, match="of NVIDIA GPUs"):
        module.play(module.run_pass(images), module.configure_optimizers())
    monkeypatch.setattr(disent_bench.module, "resolve_precision", lambda precision, device: precision)
    with full_float32():
        module.play(module.run_pass(images), module.configure_optimizers())
        look()
    assert seen == [(True, "highest"), (True, "highest"), (False, "highest")]


def test_settings_that_only_sums_have_are_unknown_to_a_module(broken: str) -> None:
    with pytest.raises(ValueError, match="unknown setting 'learning_rate'"):
        resolve(broken, "toy_grid", "quick", overrides={"learning_rate": 0.1})


class Kind(enum.Enum):
    """A kind of something, as people's hyperparameters have it."""

    SMALL = "small"


class Keeping(Broken):
    """Keeps in its checkpoints what NumPy and enums are."""

    kept: ClassVar[object] = {"rate": np.float64(0.1), "kind": Kind.SMALL, "rates": np.arange(3.0), "path": Path("x")}

    def training_step(self, batch, batch_idx: int) -> torch.Tensor:
        return self.encode(batch.images).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=np.float64(0.1))

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["mine"] = self.kept


class KeepingCode(Keeping):
    """Keeps a function, which is not read again."""

    kept: ClassVar[object] = {"function": print}


def test_what_numpy_and_enums_are_is_saved_as_plain_data(broken: str, tmp_path: Path, data_dir: Path) -> None:
    register_method("keeping")(Keeping)
    outcome = run(resolve("keeping", "toy_grid", "quick", overrides=SHORT), 0, runs=tmp_path, data_dir=data_dir)
    assert outcome.status == "done", outcome.reason
    kept = read_checkpoint(outcome.folder / "last.ckpt")["mine"]
    assert (kept["rate"], kept["kind"], kept["path"]) == (0.1, "small", "x")
    assert kept["rates"].tolist() == [0.0, 1.0, 2.0]
    load_run(outcome.folder)


def test_what_could_not_be_read_again_is_refused_at_the_first_save(broken: str, tmp_path: Path, data_dir: Path) -> None:
    register_method("keeping_code")(KeepingCode)
    outcome = run(resolve("keeping_code", "toy_grid", "quick", overrides=SHORT), 0, runs=tmp_path, data_dir=data_dir)
    assert outcome.status == "failed"
    assert "which is not read again; keep numbers" in outcome.reason
    assert not (outcome.folder / "last.ckpt").exists()


def test_images_of_another_size_are_trained_on_and_scored_on_purpose(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISENT_DATA", str(data_dir))
    few = {"steps": 2, "batch_size": 8, "scores.scores": ["mig"], "scores.num_train": 200, "scores.num_test": 100}
    small = resolve("vae", "toy_grid", "quick", overrides={**few, "image_size": 32, "network": "roth2023_32"})
    outcome = run(small, 0, runs=tmp_path, say=lambda _: None)
    assert outcome.status == "done"
    module = load_run(outcome.folder)
    assert module.decode(module.encode(torch.rand(2, 1, 32, 32))).shape == (2, 1, 32, 32)
    assert outcome.key.key != run_key(resolve("vae", "toy_grid", "quick", overrides=few), 0, dd.load("toy_grid")).key
    assert rescore(RunFolder(outcome.folder), changes={"scores.num_train": 150}) is not None
    with pytest.raises(ValueError, match=r"takes 64x64 images, not 28x28; set image_size=32 and take the one .* _32"):
        rehearse(
            resolve("vae", "toy_grid", "quick", overrides={**few, "image_size": 28}), dd.load("toy_grid", image_size=28)
        )
