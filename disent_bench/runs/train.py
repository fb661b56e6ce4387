"""One run: build, train or go on, score, write the result."""

from __future__ import annotations

import logging
import platform
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from disent_datasets import DataError, DisentDataModule, FactorGrid
from disent_datasets.samplers import make_sampler
from lightning import LightningModule
from lightning.pytorch.loggers import TensorBoardLogger

import disent_bench
from disent_bench.config.resolve import RunConfig, is_module
from disent_bench.module import DisentModule, NonFiniteLossError
from disent_bench.registry import METHODS
from disent_bench.runs.callbacks import AtomicCheckpoint, Checkpoint, Evaluate, Interrupted, Throughput, Traversals
from disent_bench.runs.folder import RunBusyError, RunFolder, RunKey
from disent_bench.runs.loggers import JsonLinesLogger

TRAVERSAL_CODES = 512


class TrainingError(RuntimeError):
    """A run failed while it was trained or scored."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its folder, and the reason if it did not end well."""

    key: RunKey
    folder: Path
    status: Literal["done", "skipped", "failed", "interrupted"]
    reason: str = ""


def build_module(config: RunConfig, grid: FactorGrid) -> LightningModule:
    """Build the module of a configuration for images of ``grid``; initial weights come from torch's generator."""
    height, width, channels = grid.shape
    shape = (channels, height, width)
    base = next(iter(config.recipes))
    if is_module(base):
        return METHODS[base].factory(image_shape=shape, **config.recipes[base])
    settings = config.settings
    return DisentModule(config.objective(), shape, len(grid), settings.training, settings.log_every)


def run_key(config: RunConfig, seed: int, grid: FactorGrid) -> RunKey:
    """Name the run of a configuration with a seed, trained on ``grid``."""
    return RunKey(config.protocol, config.dataset, config.method, config.key(grid.fingerprint), seed)


def rehearse(config: RunConfig, grid: FactorGrid) -> None:
    """Build what a run draws, scores and trains with, so that a mistake shows before anything is trained.

    A LightningModule of the user's own is not built: what happens in it is the run's affair.

    Raises:
        ValueError: if a setting has no meaning, or does not fit the data.
    """
    make_sampler(config.settings.sampler, grid, config.settings.sampler_options)
    Evaluate(grid, config.scores, during=config.settings.evaluate_during)
    if config.terms:
        build_module(config, grid)


def load_run(folder: str | Path, grid: FactorGrid, config: RunConfig) -> LightningModule:
    """Return the trained module of a run folder, in evaluation mode."""
    module = build_module(config, grid)
    checkpoint = torch.load(RunFolder(Path(folder)).checkpoint, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"])
    return module.eval()


def run(
    config: RunConfig,
    seed: int,
    *,
    runs: Path,
    data_dir: Path | None = None,
    accelerator: str = "auto",
    say: Callable[[str], None] = print,
) -> Outcome:
    """Bring one run to its end: skip it if it is done, go on if it was cut off, else start it.

    Bad data and other mistakes of the user raise; what goes wrong while training is recorded in the run's folder.

    Raises:
        DataError: if the data set is missing or damaged.
        ValueError: if the configuration does not fit the data.
    """
    settings = config.settings
    data = DisentDataModule(
        config.dataset,
        batch_size=settings.batch_size,
        seed=seed,
        data_dir=data_dir,
        source=config.source,
        second=any("second" in term.needs for term in config.objective()) if config.terms else False,
        num_batches=settings.steps,
        sampler=settings.sampler,
        sampler_options=settings.sampler_options,
    )
    grid = data.grid
    key = run_key(config, seed, grid)
    folder = RunFolder(key.folder(runs))
    if folder.state() == "done":
        return Outcome(key, folder.path, "skipped")
    identity = {
        "protocol": key.protocol,
        "dataset": key.dataset,
        "source": config.source,
        "method": key.method,
        "key": key.key,
        "seed": seed,
        "note": config.note,
        "changes": dict(config.changes),
    }
    try:
        with folder.lock():
            if folder.state() == "done":
                return Outcome(key, folder.path, "skipped")
            folder.write_config({**config.to_dict(), "seed": seed, "data": grid.fingerprint})
            record = _train(config, seed, data, folder, accelerator, say)
            folder.write_result({**identity, **record})
    except (DataError, ValueError):
        raise
    except Interrupted as stop:
        return Outcome(key, folder.path, "interrupted", str(stop))
    except RunBusyError as error:
        return Outcome(key, folder.path, "failed", str(error))
    except Exception as error:
        named = isinstance(error, NonFiniteLossError | OSError | TrainingError)
        reason = " ".join((str(error) if named else f"{type(error).__name__}: {error}").split())
        details = {} if isinstance(error, NonFiniteLossError) else {"traceback": traceback.format_exc()}
        _record_failure(folder, {**identity, "reason": reason, **details}, say)
        return Outcome(key, folder.path, "failed", reason)
    return Outcome(key, folder.path, "done")


def _train(
    config: RunConfig,
    seed: int,
    data: DisentDataModule,
    folder: RunFolder,
    accelerator: str,
    say: Callable[[str], None],
) -> dict[str, Any]:
    settings, grid = config.settings, data.grid
    _quiet_lightning()
    lightning.seed_everything(seed, verbose=False)
    module = build_module(config, grid)
    saved = torch.load(folder.checkpoint, map_location="cpu", weights_only=True) if folder.checkpoint.exists() else None
    step = saved["callbacks"]["Checkpoint"]["batches"] if saved else 0
    if step:
        say(f"going on from step {step} of {settings.steps}")
    evaluate = Evaluate(grid, config.scores, settings.evaluate_every, settings.evaluate_during, say)
    throughput = Throughput(f"{config.method} seed {seed}", settings.steps, settings.batch_size, settings.log_every)
    checkpoint = Checkpoint(folder.checkpoint, settings.checkpoint_every, last=settings.steps)
    traversals = Traversals(_traversal_images(grid), folder.traversals, settings.evaluate_every)
    callbacks = [throughput, evaluate, traversals, checkpoint]
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=1,
        logger=[
            TensorBoardLogger(
                folder.path, name="", version="", sub_dir="tensorboard", purge_step=step + 1 if step else None
            ),
            JsonLinesLogger(folder.metrics, step),
        ],
        callbacks=callbacks,
        plugins=[AtomicCheckpoint()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=settings.log_every,
    )
    start = time.perf_counter()
    if step < settings.steps:
        try:
            trainer.fit(module, datamodule=data, ckpt_path=folder.checkpoint if saved else None, weights_only=True)
        except ValueError as error:  # from here on it is the training that fails, not the user's input
            raise TrainingError(f"ValueError: {error}") from error
        except SystemExit as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # how Lightning ends on Ctrl-C before the first step
                raise KeyboardInterrupt from None
            raise
    else:
        assert saved is not None
        module.load_state_dict(saved["state_dict"])
        for callback in callbacks:
            callback.load_state_dict(saved["callbacks"][callback.state_key])
        evaluate.finish(module, trainer.loggers)
        traversals.finish(module, trainer.loggers)
    final = evaluate.scores.final
    assert final is not None
    return {
        "scores": final.scores,
        "errors": final.errors,
        "notes": list(final.notes),
        "untrained": evaluate.scores.untrained,
        "seconds": {name: round(value, 3) for name, value in final.seconds.items()},
        "training": {
            "steps": settings.steps,
            "seconds": round(throughput.seconds, 2),
            "steps_per_second": round(settings.steps / max(throughput.seconds, 1e-9), 2),
            "peak_memory_mb": round(throughput.peak_memory_mb),
            "skipped_terms": _skipped(module),
        },
        "config": config.to_dict(),
        "environment": _environment(module, time.perf_counter() - start),
    }


def _skipped(module: LightningModule) -> dict[str, int]:
    if not isinstance(module, DisentModule):
        return {}
    return {term.name: int(term.skipped) for term in module.objective if int(term.skipped)}


def _traversal_images(grid: FactorGrid) -> torch.Tensor:
    indices = np.random.default_rng(0).choice(grid.available, size=TRAVERSAL_CODES)
    return torch.from_numpy(grid.images(indices)).permute(0, 3, 1, 2).float() / grid.scale


def _record_failure(folder: RunFolder, record: dict[str, Any], say: Callable[[str], None]) -> None:
    try:
        folder.write_failure(record)
    except OSError as error:
        say(f"the failure could not be recorded in {folder.failure}: {error}")


def _environment(module: LightningModule, seconds: float) -> dict[str, Any]:
    device = (
        torch.cuda.get_device_name() if module.device.type == "cuda" else platform.processor() or platform.machine()
    )
    return {
        "disent_bench": disent_bench.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "device": device,
        "threads": torch.get_num_threads(),
        "seconds_in_all": round(seconds, 2),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _quiet_lightning() -> None:
    """Lightning's start-up lines (devices, tips) say nothing about this run."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=Warning)
