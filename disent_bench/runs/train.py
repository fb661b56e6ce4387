"""One run: skip it if it is done, score it if only that is missing, resume it if it was interrupted, else train it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from disent_datasets import DataError, DisentDataModule, FactorGrid
from lightning.fabric.plugins.environments import LightningEnvironment

from disent_bench.capture import Capture
from disent_bench.config.protocols import load_protocol
from disent_bench.config.resolve import effective_on_scores, score_protocol
from disent_bench.config.run import RunConfig
from disent_bench.module import DisentModule, NonFiniteLossError
from disent_bench.plugins import load_plugins
from disent_bench.runs.callbacks import AtomicCheckpoint, Checkpoint, Evaluate, FiniteLoss, Pictures, Throughput
from disent_bench.runs.callbacks.checkpoint import read_checkpoint
from disent_bench.runs.continuing import start_from_shorter_run
from disent_bench.runs.exact import full_float32
from disent_bench.runs.floor import Floor
from disent_bench.runs.folder import RunFolder, RunKey
from disent_bench.runs.lock import RunBusyError
from disent_bench.runs.loggers import DEFAULT_LOGGERS, check_loggers, close_loggers, make_loggers
from disent_bench.runs.model import module_for, reads_second, shape_of
from disent_bench.runs.provenance import provenance
from disent_bench.runs.quiet import quiet_lightning
from disent_bench.runs.result import Failure, Result
from disent_bench.runs.scoring import TrainingError, identity_of, score_only, scored, untrained_scores
from disent_bench.runs.stop import Interrupted, Stop, Trained
from disent_bench.text import one_line

Say = Callable[[str], None]

STEPS_AT_ONCE = {"cuda": 50}
"""At most so many steps between two hooks, by device; 1 where a step takes longer than all hooks."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its folder, and the reason if it did not end well.

    A busy one is in the hands of another process; a trained one was not to be scored here.
    """

    key: RunKey
    folder: Path
    status: Literal["done", "skipped", "failed", "interrupted", "busy", "trained"]
    reason: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What a run is given beside its configuration and its data; none of it changes the result."""

    accelerator: str
    say: Say
    stop: Stop
    loggers: Sequence[str]
    debug: bool


def run_key(config: RunConfig, seed: int, grid: FactorGrid) -> RunKey:
    """Name the run of a configuration with a seed, trained on ``grid``."""
    return RunKey(config.protocol, config.dataset, config.method, config.key(grid.fingerprint), seed)


def lay_out(config: RunConfig, seed: int, grid: FactorGrid, runs: Path) -> tuple[RunKey, RunFolder]:
    """Make the folder of a run, with the configuration that it can be run from."""
    key = run_key(config, seed, grid)
    folder = RunFolder(key.folder(runs))
    data = {"fingerprint": grid.fingerprint, "image_shape": list(shape_of(grid)), "size": len(grid)}
    folder.write_config({**config.to_dict(), "seed": seed, "data": data, "lineage": config.lineage(grid.fingerprint)})
    return key, folder


def run(
    config: RunConfig,
    seed: int,
    *,
    runs: Path,
    data_dir: Path | None = None,
    accelerator: str = "auto",
    say: Say = print,
    loggers: Sequence[str] = DEFAULT_LOGGERS,
    debug: bool = False,
) -> Outcome:
    """Bring one run to its end, in its folder below ``runs``.

    Mistakes of the user raise; what goes wrong while training is recorded in the folder, and with ``debug`` raises too.

    Raises:
        DataError: if the data set is missing or damaged.
        ValueError: if the configuration does not fit the data, or a logger is unknown or not installed.
    """
    check_loggers(loggers)
    data = _data_module(config, seed, data_dir)
    key, folder = lay_out(config, seed, data.grid, runs)
    return _bring_to_its_end(config, key, data, folder, Surroundings(accelerator, say, Stop(), loggers, debug))


def run_folder(
    path: Path,
    *,
    data_dir: Path | None = None,
    accelerator: str = "auto",
    say: Say = print,
    debug: bool = False,
    stop: Stop | None = None,
) -> Outcome:
    """Bring the run of a folder to its end, by the configuration that the folder holds.

    Whatever goes wrong is recorded in the folder, and raises as well with ``debug``.

    Args:
        path: the folder.
        data_dir: as for `run`.
        accelerator: as for `run`.
        say: as for `run`.
        debug: as for `run`.
        stop: what stops it; None for signals.

    Raises:
        ValueError: if this is no folder of a run.
    """
    folder = RunFolder(path)
    config, seed, fingerprint = read_run(folder)
    key = RunKey(config.protocol, config.dataset, config.method, config.key(fingerprint), seed)
    try:
        data = _data_module(config, seed, data_dir)
        if data.grid.fingerprint != fingerprint:
            raise DataError(f"{config.dataset} ({config.source}) holds other images than the run was laid out for")
        surroundings = Surroundings(accelerator, say, stop or Stop(), DEFAULT_LOGGERS, debug)
        return _bring_to_its_end(config, key, data, folder, surroundings)
    except (DataError, ValueError, OSError) as error:
        reason = one_line(error)
        _record_failure(folder, error, Failure(**identity_of(config, key), reason=reason, config=config.to_dict()), say)
        if debug:
            raise
        return Outcome(key, path, "failed", reason)


def read_run(folder: RunFolder) -> tuple[RunConfig, int, str]:
    """Return configuration, seed and the fingerprint of the data of a run's folder; plug-ins it names are loaded.

    Raises:
        ValueError: if this is no folder of a run.
    """
    content = folder.read_config()
    load_plugins(content.get("plugins", ()))
    try:
        return RunConfig.from_dict(content), content["seed"], content["data"]["fingerprint"]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder.config} is not the configuration of a run that this version lays out: {error!r}"
        ) from None
    except ValueError as error:
        raise ValueError(f"{folder.config}: {error}") from None


def rescore(
    folder: RunFolder,
    protocol: str | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    data_dir: Path | None = None,
    accelerator: str = "auto",
    say: Say = print,
) -> Path | None:
    """Score a finished run in another way, from its checkpoint, beside the result that it has.

    Args:
        folder: of the run.
        protocol: whose scores to take; the run's own if None.
        changes: settings against the protocol, keys of which start with ``scores.``.
        data_dir: as for `run`.
        accelerator: as for `run`.
        say: as for `run`.

    Returns:
        The file of the new result; None if the run was scored in this way already.

    Raises:
        DataError: if the data set is missing or damaged.
        TrainingError: if no score can be computed.
        ValueError: if a setting is bad, or the data are not those of the training.
    """
    config, seed, fingerprint = read_run(folder)
    chosen = load_protocol(protocol or config.protocol)
    kept = {name: value for name, value in config.changes.items() if not name.startswith("scores.")}
    for name in changes or {}:
        if not name.startswith("scores."):
            raise ValueError(f"score changes how runs are scored, such as scores.num_train=5000, not {name}")
    scores, own = score_protocol(chosen, changes or {}), effective_on_scores(chosen, changes or {})
    config = replace(config, scores=scores, changes={**kept, **own})
    if folder.is_scored(config.scoring):
        return None
    grid = _data_module(config, seed, data_dir).grid
    if grid.fingerprint != fingerprint:
        raise DataError(f"{config.dataset} ({config.source}) holds other images than the run was trained on")
    with folder.lock(), quiet_lightning():
        return score_only(config, run_key(config, seed, grid), grid, folder, accelerator, say)


def _data_module(config: RunConfig, seed: int, data_dir: Path | None) -> DisentDataModule:
    settings = config.settings
    return DisentDataModule(
        config.dataset,
        batch_size=settings.batch_size,
        seed=seed,
        data_dir=data_dir,
        source=config.source,
        num_batches=settings.steps,
        sampler=settings.sampler,
        sampler_options=settings.sampler_options,
        image_size=settings.image_size,
    )


def _bring_to_its_end(
    config: RunConfig,
    key: RunKey,
    data: DisentDataModule,
    folder: RunFolder,
    surroundings: Surroundings,
) -> Outcome:
    identity, stop, say = identity_of(config, key), surroundings.stop, surroundings.say
    try:
        with folder.lock(), quiet_lightning(), stop.listening():
            if folder.is_scored(config.scoring):
                return Outcome(key, folder.path, "skipped")
            if folder.result.exists():
                score_only(config, key, data.grid, folder, surroundings.accelerator, say)
                return Outcome(key, folder.path, "done")
            folder.failure.unlink(missing_ok=True)
            start_from_shorter_run(config, key.seed, data.grid, folder, say)
            outcome = _train(config, key, data, folder, surroundings)
            Result(**identity, **outcome).write(folder.result)
    except (DataError, ValueError):
        raise
    except Trained:
        return Outcome(key, folder.path, "trained")
    except Interrupted as interruption:
        return Outcome(key, folder.path, "interrupted", str(interruption) or stop.name)
    except RunBusyError as error:
        return Outcome(key, folder.path, "busy", str(error))
    except (Exception, SystemExit) as error:  # of people's own code
        named = isinstance(error, NonFiniteLossError | OSError | TrainingError)
        reason = one_line(error if named else f"{type(error).__name__}: {error}")
        details = "" if isinstance(error, NonFiniteLossError) else traceback.format_exc()
        failure = Failure(**identity, reason=reason, traceback=details, config=config.to_dict())
        _record_failure(folder, error, failure, say)
        if surroundings.debug:
            raise
        return Outcome(key, folder.path, "failed", reason)
    return Outcome(key, folder.path, "done")


@full_float32()
def _train(
    config: RunConfig,
    key: RunKey,
    data: DisentDataModule,
    folder: RunFolder,
    surroundings: Surroundings,
) -> dict[str, Any]:
    """Train and score; return the fields of a `Result` beyond those of a `Report`."""
    settings, grid, seed, start = config.settings, data.grid, key.seed, time.perf_counter()
    say, stop, files = surroundings.say, surroundings.stop, AtomicCheckpoint()
    lightning.seed_everything(seed, verbose=False)
    module = module_for(config, grid)
    data.second = reads_second(module)
    saved = read_checkpoint(folder.checkpoint) if folder.checkpoint.exists() else None
    step = saved["callbacks"]["Checkpoint"]["batches"] if saved else 0
    if step:
        say(f"resuming at step {step} of {settings.steps}")
    floor, key_of_scores = Floor(config, key, grid, folder), config.scoring.key
    evaluate = Evaluate(
        grid, config.scores, settings.evaluate_every, settings.evaluate_during, key_of_scores, say, stop, floor
    )
    throughput = Throughput(f"{config.method} seed {seed}", settings.steps, settings.batch_size, settings.log_every)
    checkpoint = Checkpoint(folder.checkpoint, settings.checkpoint_every, last=settings.steps, stop=stop)
    pictures = Pictures(grid, folder.path, settings.evaluate_every, say)
    callbacks = [throughput, evaluate, pictures, checkpoint]
    trainer = lightning.Trainer(
        accelerator=surroundings.accelerator,
        devices=1,
        max_epochs=1,
        logger=make_loggers(surroundings.loggers, config, seed, folder, step, say),
        callbacks=[FiniteLoss(settings.log_every), *callbacks],
        plugins=[files, LightningEnvironment()],  # one process, also within a job of Slurm
        default_root_dir=folder.path,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        log_every_n_steps=min(settings.log_every, settings.steps),
    )
    if step < settings.steps:
        if isinstance(module, DisentModule):
            module.capture = Capture(say)
            at_once = settings.steps_at_once(STEPS_AT_ONCE.get(trainer.strategy.root_device.type, 1), step)
            files.steps_at_once = data.steps_at_once = at_once
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
        pictures.finish(module, trainer.loggers)
    if checkpoint.batches != settings.steps:
        raise TrainingError(f"the training ended after {checkpoint.batches} of {settings.steps} steps")
    final = scored(evaluate.scores.final)
    if not evaluate.scores.untrained:
        evaluate.take_untrained(untrained_scores(config, floor, seed, module.device), trainer.loggers)
    close_loggers(trainer.loggers, config, seed, final.scores, settings.steps)
    return {
        "scores": final.scores,
        "errors": final.errors,
        "notes": final.notes,
        "untrained": evaluate.scores.untrained,
        "seconds": {name: round(value, 3) for name, value in final.seconds.items()},
        "training": {
            "steps": settings.steps,
            "seconds": round(throughput.seconds, 2),
            "steps_per_second": round(settings.steps / max(throughput.seconds, 1e-9), 2),
            "peak_memory_mb": round(throughput.peak_memory_mb),
            "skipped_terms": module.skipped() if isinstance(module, DisentModule) else {},
        },
        "config": config.to_dict(),
        "environment": provenance(
            module.device,
            wall_seconds=time.perf_counter() - start,
            device_seconds=throughput.seconds + sum(final.seconds.values()),
        ),
    }


def _record_failure(folder: RunFolder, error: BaseException, failure: Failure, say: Say) -> None:
    of_machine = isinstance(error, OSError | MemoryError | torch.OutOfMemoryError | torch.AcceleratorError)
    try:
        replace(failure, of_machine=of_machine).write(folder.failure)
        folder.note_failure(failure.reason)
    except OSError as cause:
        say(f"the failure could not be recorded in {folder.failure}: {cause}")
