"""Scoring the networks of runs that are trained, and of runs before they are."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from disent_datasets import FactorGrid
from disent_metrics.suite import SuiteResult
from lightning import LightningModule
from lightning.fabric.plugins.environments import LightningEnvironment

from disent_bench.config.run import RunConfig
from disent_bench.runs.callbacks.checkpoint import undisturbed
from disent_bench.runs.callbacks.evaluate import score_module
from disent_bench.runs.floor import Floor
from disent_bench.runs.folder import RunFolder, RunKey
from disent_bench.runs.model import load_run, module_for
from disent_bench.runs.provenance import provenance
from disent_bench.runs.result import Result


class TrainingError(RuntimeError):
    """A run failed while it was trained or scored."""


def identity_of(config: RunConfig, key: RunKey) -> dict[str, Any]:
    """The fields of a `Report`."""
    return {
        "protocol": key.protocol,
        "dataset": key.dataset,
        "source": config.source,
        "method": key.method,
        "key": key.key,
        "seed": key.seed,
        "note": config.note,
        "changes": dict(config.changes),
        "scoring": config.scoring,
    }


def score_only(
    config: RunConfig, key: RunKey, grid: FactorGrid, folder: RunFolder, accelerator: str, say: Callable[[str], None]
) -> Path:
    """Score the network of a finished run's checkpoint, and write that beside its result."""
    start = time.perf_counter()
    scoring, path = config.scoring, folder.scores(config.scoring)
    say(f"trained already; scoring under {scoring.label}: {', '.join(config.scores.scores)}")
    trainer = lightning.Trainer(accelerator=accelerator, devices=1, logger=False, plugins=LightningEnvironment())
    module = load_run(folder.path).to(trainer.strategy.root_device)
    found = scored(undisturbed(score_module)(module, grid, config.scores))
    untrained = untrained_scores(config, Floor(config, key, grid, folder), key.seed, module.device)
    first = Result.read(folder.result)
    result = Result(
        **identity_of(config, key),
        scores=found.scores,
        errors=found.errors,
        notes=found.notes,
        untrained=untrained,
        seconds={name: round(value, 3) for name, value in found.seconds.items()},
        training=first.training,
        config=config.to_dict(),
        environment=provenance(
            module.device, wall_seconds=time.perf_counter() - start, device_seconds=sum(found.seconds.values())
        ),
    )
    path.parent.mkdir(exist_ok=True)
    result.write(path)
    return path


def scored(found: SuiteResult | None) -> SuiteResult:
    """Return what was found; a run without a single score is a failed run."""
    if found is None or not found.scores:
        reasons = "; ".join(dict.fromkeys(found.errors.values())) if found else "scoring did not run"
        raise TrainingError(f"no score could be computed: {reasons}")
    return found


def untrained_scores(config: RunConfig, floor: Floor, seed: int, device: torch.device) -> dict[str, float]:
    """Scores of the network before training: one seed means one initial network."""

    def score() -> dict[str, float]:
        lightning.seed_everything(seed, verbose=False)
        module: LightningModule = module_for(config, floor.grid).to(device).eval()
        return floor.scores(module, lambda: score_module(module, floor.grid, config.scores))[0]

    scores: dict[str, float] = undisturbed(score)()
    return scores
