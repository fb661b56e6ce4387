"""Checkpoints from which a run resumes bit for bit."""

from __future__ import annotations

import enum
import io
import pickle
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from disent_datasets.datamodule import steps_in
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.fabric.utilities.data import AttributeDict

from disent_bench.files import write_atomically
from disent_bench.runs.stop import Interrupted, Stop, Trained


class AtomicCheckpoint(TorchCheckpointIO):
    """Writes checkpoints atomically: a killed process or a full disk leaves the previous one.

    What people's modules keep is written as plain data, which is all that is read again; the first checkpoint of a
    process is read to see that it can be.

    Args:
        steps_at_once: training steps in what Lightning counts as a batch; files count steps, so that a run can go on
            with another number.
    """

    def __init__(self, steps_at_once: int = 1) -> None:
        super().__init__()
        self.steps_at_once = steps_at_once
        self._tried = False

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Serialise in memory, then replace the file at ``path``.

        Raises:
            TypeError: if the checkpoint holds what could not be read again.
        """
        buffer = io.BytesIO()
        loops = counted_anew(checkpoint["loops"], lambda count: count * self.steps_at_once)
        torch.save(plain({**checkpoint, "loops": loops}), buffer)
        if not self._tried:
            buffer.seek(0)
            try:
                torch.load(buffer, map_location="cpu", weights_only=True)
            except pickle.UnpicklingError as error:
                named = re.search(r"GLOBAL (\S+)", str(error))
                what = named[1] if named else "Python objects"
                raise TypeError(
                    f"the checkpoint holds {what}, which is not read again; keep numbers, words, lists, mappings and "
                    "tensors in hyperparameters and states"
                ) from None
            self._tried = True
        write_atomically(Path(path), buffer.getbuffer())

    def load_checkpoint(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what was saved, with Lightning's batches counted as this run counts them."""
        checkpoint: dict[str, Any] = super().load_checkpoint(*args, **kwargs)
        loops = counted_anew(checkpoint["loops"], lambda count: count // self.steps_at_once)
        return {**checkpoint, "loops": loops}


def counted_anew(loops: Mapping[str, Any], convert: Callable[[int], int]) -> dict[str, Any]:
    """Return the state of Lightning's loops with another count of the training batches that were begun.

    One whose hooks are running, within which a checkpoint is written, lacks being completed in either way of counting.
    """
    if "fit_loop" not in loops:
        return dict(loops)
    fit = dict(loops["fit_loop"])
    progress, stepped = fit["epoch_loop.batch_progress"], fit["epoch_loop.state_dict"]["_batches_that_stepped"]
    lacking = progress["current"]["ready"] - stepped
    fit["epoch_loop.batch_progress"] = {
        name: {each: convert(counts["ready"]) - (counts["ready"] - count) for each, count in counts.items()}
        if isinstance(counts, dict)
        else counts
        for name, counts in progress.items()
    }
    fit["epoch_loop.state_dict"] = {"_batches_that_stepped": convert(progress["current"]["ready"]) - lacking}
    return {**loops, "fit_loop": fit}


def plain(value: Any) -> Any:
    """Return a state with NumPy's numbers, arrays, enums and paths as plain data and tensors; all else as it is."""
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return torch.from_numpy(value)
    if isinstance(value, PurePath):
        return str(value)
    if type(value) is dict or isinstance(value, AttributeDict):
        return {plain(key): plain(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(each) for each in value)
    return value


class DamagedCheckpointError(OSError):
    """A checkpoint that cannot be read."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return what `AtomicCheckpoint` saved, on the CPU.

    Raises:
        DamagedCheckpointError: if it cannot be read; the message names it and the way out.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # torch raises many kinds, "invalid argument" of the system among them
        raise DamagedCheckpointError(f"{path} is damaged; delete it to train from the start") from error
    return content


class Checkpoint(Callback):
    """Saves the whole state every ``every`` steps, after step ``last``, and when a signal asks the run to stop.

    A run that somebody else is to score stops after its last step.

    The state of every random generator in use travels along, so a resumed run equals an uninterrupted one. It has to
    be the last callback: what others log and draw in the same step is then part of the checkpoint.
    """

    def __init__(self, path: Path, every: int, last: int, stop: Stop) -> None:
        self.path, self.every, self.last, self.stop = path, every, last, stop
        self.batches = 0
        self._random: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the number of batches done and the states of the random generators."""
        return {"batches": self.batches, "random": random_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of batches; generators wait until training starts, as set-up draws numbers too."""
        self.batches = state_dict["batches"]
        self._random = state_dict["random"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore random states; from here on a signal waits for the end of a step."""
        if self._random is not None:
            set_random_state(self._random)
        self.stop.hold()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time; stop if a signal came."""
        self.batches += steps_in(batch)
        stopping = self.stop.number is not None
        if stopping or self.batches % self.every == 0 or self.batches == self.last:
            trainer.save_checkpoint(self.path)
        if stopping:
            raise Interrupted(f"{self.stop.name} at step {self.batches}")
        if self.batches == self.last and self.stop.unscored:
            raise Trained(f"the last step, {self.batches}")
        self.stop.holding = self.batches != self.last


def random_state() -> dict[str, Any]:
    """Return the states of the generators of Python, NumPy, torch and all CUDA devices, as plain values and tensors."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 (a user's module may use it)
    return {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` returned."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def undisturbed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``function`` leave all random generators as it found them."""

    def call(*args: Any, **kwargs: Any) -> Any:
        state = random_state()
        try:
            return function(*args, **kwargs)
        finally:
            set_random_state(state)

    return call
