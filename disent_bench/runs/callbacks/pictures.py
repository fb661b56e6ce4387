"""Pictures of a model while it trains and at the end."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.image
from disent_datasets import FactorGrid
from disent_datasets.datamodule import steps_in
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from disent_bench import plots
from disent_bench.files import write_atomically
from disent_bench.runs.callbacks.checkpoint import undisturbed
from disent_bench.text import one_line


class Pictures(Callback):
    """Draws ``traversals.png``, ``reconstructions.png`` and ``importance.png`` (`disent_bench.plots`).

    They also go to TensorBoard.

    Args:
        grid: the data set.
        folder: where the pictures go.
        every: steps between two pictures; 0 draws at the end of training only.
        say: takes a line where a picture fails, which costs no run.
    """

    state_key = "Traversals"
    """Its name in checkpoints of before there were other pictures."""

    def __init__(self, grid: FactorGrid, folder: Path, every: int, say: Callable[[str], None] = print) -> None:
        self.grid, self.folder, self.every, self.say = grid, folder, every, say
        self.batches = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the number of batches done."""
        return {"batches": self.batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.batches = state_dict["batches"]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw if it is time."""
        self.batches += steps_in(batch)
        if self.every and self.batches % self.every == 0:
            self.finish(pl_module, trainer.loggers)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the trained model."""
        self.finish(pl_module, trainer.loggers)

    def finish(self, module: LightningModule, loggers: Sequence[Logger]) -> None:
        """Draw ``module`` as it is now; one without a decoder has importances alone."""
        pictures: dict[str, Callable[..., Axes]] = {"importance": plots.importance}
        if hasattr(module, "decode") and getattr(module, "decoder", ...) is not None:
            pictures |= {"traversals": plots.traversals, "reconstructions": plots.reconstructions}
        for name, draw in pictures.items():
            try:
                picture = undisturbed(self._png)(draw, module, cells=name == "importance")
                write_atomically(self.folder / f"{name}.png", picture)
                for logger in loggers:
                    if isinstance(logger, TensorBoardLogger):
                        pixels = matplotlib.image.imread(io.BytesIO(picture))[..., :3]
                        logger.experiment.add_image(name, pixels, self.batches, dataformats="HWC")
            except Exception as error:
                reason = one_line(f"{type(error).__name__}: {error}")
                self.say(f"note: no picture of the {name} at step {self.batches}: {reason}")

    def _png(self, draw: Callable[..., Axes], module: LightningModule, cells: bool) -> bytes:
        figure = Figure(layout="constrained")
        plots.fit(draw(module, self.grid, ax=figure.subplots()), cells=cells)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()
