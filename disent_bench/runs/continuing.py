"""A run with more steps starts from the longest finished one that differs in nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from disent_datasets import FactorGrid

from disent_bench.config.run import RunConfig
from disent_bench.files import write_atomically
from disent_bench.runs.callbacks.checkpoint import AtomicCheckpoint, read_checkpoint
from disent_bench.runs.folder import RunFolder
from disent_bench.runs.loggers import run_title


def start_from_shorter_run(
    config: RunConfig, seed: int, grid: FactorGrid, folder: RunFolder, say: Callable[[str], None]
) -> None:
    """Copy the state of the longest finished run that differs in nothing but having fewer steps, if there is one."""
    if folder.checkpoint.exists():
        return
    lineage, longest = config.lineage(grid.fingerprint), None
    for path in folder.path.parent.parent.glob(f"*/seed-{seed}/result.json"):
        shorter = RunFolder(path.parent)
        content = shorter.read_config()
        fits = content.get("lineage") == lineage and content["steps"] < config.settings.steps
        if fits and shorter.checkpoint.exists() and (longest is None or content["steps"] > longest[0]):
            longest = content["steps"], shorter
    if longest is None:
        return
    steps, shorter = longest
    say(f"starting from step {steps}, where {shorter.path} ended")
    target = folder.tensorboard / run_title(config, seed)
    for events in shorter.tensorboard.glob("**/events*"):
        if b"_hparams_" not in events.read_bytes():  # TensorBoard would show the shorter run's settings for this one's
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(events, target)
    if shorter.metrics.exists():
        write_atomically(folder.metrics, shorter.metrics.read_bytes())
    state = read_checkpoint(shorter.checkpoint)
    state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False  # else Lightning is done with it
    AtomicCheckpoint().save_checkpoint(state, folder.checkpoint)
