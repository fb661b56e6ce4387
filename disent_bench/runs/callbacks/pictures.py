"""Pictures to look at: what each latent does, images beside their reconstructions, which latent serves which factor."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import torch
from disent_datasets import FactorGrid
from disent_metrics.functional.dci import dci_importance
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from disent_bench.files import write_atomically
from disent_bench.runs.callbacks.checkpoint import undisturbed
from disent_bench.runs.callbacks.evaluate import encode_in_batches
from disent_bench.text import one_line

IMPORTANCE_CODES = 2000
TRAVERSAL_CODES = 512
WIDEST_WITH_NUMBERS = 20
COLUMNS = 9
REACH = 2.0
IDLE = 0.1
"""Deviation of a latent's codes below which it is called idle: it holds less than about .005 nats."""


class Pictures(Callback):
    """Draws traversals of every latent, images above their reconstructions, and importances; also to TensorBoard.

    Each row of ``traversals.png`` moves one latent over the mean +- 2 standard deviations of its codes while the others
    keep the image's posterior mean. Rows are sorted by that standard deviation: a latent that the model does not use
    has codes near 0 everywhere and a row that does not change, and is called idle below a deviation of `IDLE`.
    ``importance.png`` is DCI's matrix: how much of what boosted trees know of a factor they have from a latent.

    Args:
        grid: the data set; the first of some images is traversed, and as many as there are columns are reconstructed.
        folder: where the pictures go.
        every: steps between two pictures; 0 draws at the end of training only.
        say: takes a line where a picture fails, which costs no run.
    """

    state_key = "Traversals"
    """Its name in checkpoints of before there were other pictures."""

    def __init__(self, grid: FactorGrid, folder: Path, every: int, say: Callable[[str], None] = print) -> None:
        self.grid, self.folder, self.every, self.say = grid, folder, every, say
        self.indices = np.random.default_rng(0).choice(grid.available, size=IMPORTANCE_CODES)
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
        self.batches += 1
        if self.every and self.batches % self.every == 0:
            self.finish(pl_module, trainer.loggers)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the trained model."""
        self.finish(pl_module, trainer.loggers)

    def finish(self, module: LightningModule, loggers: Sequence[Logger]) -> None:
        """Draw ``module`` as it is now; one without a decoder has importances alone."""
        pictures: dict[str, Callable[[], bytes]] = {"importance": lambda: self._importance(module)}
        if hasattr(module, "decode") and getattr(module, "decoder", ...) is not None:
            pictures["traversals"] = lambda: traversal_picture(module, self._images(module.device))
            pictures["reconstructions"] = lambda: reconstruction_picture(module, self._images(module.device))
        for name, draw in pictures.items():
            try:
                picture = undisturbed(draw)()
                write_atomically(self.folder / f"{name}.png", picture)
                for logger in loggers:
                    if isinstance(logger, TensorBoardLogger):
                        pixels = matplotlib.image.imread(io.BytesIO(picture))[..., :3]
                        logger.experiment.add_image(name, pixels, self.batches, dataformats="HWC")
            except Exception as error:
                reason = one_line(f"{type(error).__name__}: {error}")
                self.say(f"note: no picture of the {name} at step {self.batches}: {reason}")

    def _images(self, device: torch.device) -> Tensor:
        images = self.grid.images(self.indices[:TRAVERSAL_CODES])
        return torch.from_numpy(images).permute(0, 3, 1, 2).to(device).float() / self.grid.scale

    def _importance(self, module: LightningModule) -> bytes:
        training = module.training
        module.eval()
        codes = encode_in_batches(module, self.grid, self.indices).numpy()
        module.train(training)
        factors = self.grid.factors(self.indices)
        varying = np.ptp(factors, axis=0) > 0
        names = [name for name, varies in zip(self.grid.space.names, varying, strict=True) if varies]
        return importance_picture(dci_importance(codes, factors[:, varying]), names)


@torch.no_grad()
def traversal_picture(module: Any, images: Tensor) -> bytes:
    """Return a PNG with one row per latent of ``module``, which offers ``encode`` and ``decode``."""
    training = module.training
    module.eval()
    codes = module.encode(images)
    centre, spread = codes.mean(dim=0), codes.std(dim=0)
    order = spread.argsort(descending=True)
    values = centre + spread * torch.linspace(-REACH, REACH, COLUMNS, device=codes.device)[:, None]
    rows = []
    for latent in order.tolist():
        moved = codes[:1].repeat(COLUMNS, 1)
        moved[:, latent] = values[:, latent]
        rows.append(module.decode(moved))
    decoded = torch.stack(rows).float().cpu().numpy()
    first = module.decode(codes[:1])[0].float().cpu().numpy()
    module.train(training)
    return _figure(images[0].cpu().numpy(), first, decoded, order.tolist(), spread[order].tolist())


@torch.no_grad()
def reconstruction_picture(module: Any, images: Tensor) -> bytes:
    """Return a PNG of some ``images`` above what ``module`` makes of them, and the mean squared error of each."""
    training = module.training
    module.eval()
    shown = images[:: max(1, len(images) // COLUMNS)][:COLUMNS]
    decoded = module.decode(module.encode(shown)).float()
    module.train(training)
    errors = (decoded - shown).square().flatten(1).mean(dim=1).tolist()
    rows = [np.concatenate([*np.moveaxis(each.cpu().numpy(), 1, -1)], axis=1) for each in (shown, decoded)]
    width = shown.shape[-1]
    figure = Figure(figsize=(rows[0].shape[1] / 75 + 0.9, 2 * width / 75 + 0.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.concatenate(rows).squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_frame_on(False)
    axes.set_yticks([width / 2, 3 * width / 2], ["images", "decoded"], fontsize=8)
    centres = [(column + 0.5) * width for column in range(len(shown))]
    axes.set_xticks(centres, [f"MSE {error:.3f}" for error in errors], fontsize=8)
    axes.tick_params(length=0)
    return _png(figure)


def importance_picture(importance: NDArray[np.float64], names: Sequence[str]) -> bytes:
    """Return a PNG of an importance matrix ``(d, k)`` as a heat map: factors by ``names`` below each other.

    Latents stand in the order of the factors that they serve most.
    """
    order = np.lexsort((-importance.max(axis=1), importance.argmax(axis=1)))
    shown = importance[order].T
    figure = Figure(figsize=(0.5 * shown.shape[1] + 2.5, 0.4 * shown.shape[0] + 1.1), layout="constrained")
    axes = figure.subplots()
    heat = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xticks(range(len(order)), [f"z{latent}" for latent in order], fontsize=8)
    for (row, column), value in np.ndenumerate(shown):
        if value >= 0.005 and len(order) <= WIDEST_WITH_NUMBERS:
            colour = "white" if value > 0.6 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(heat, ax=axes, fraction=0.05, pad=0.02).ax.tick_params(labelsize=7)
    axes.set_title(f"importance of latents for factors (DCI's trees, {IMPORTANCE_CODES:,} images)", fontsize=8)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _figure(image: np.ndarray, decoded: np.ndarray, rows: np.ndarray, order: list[int], spread: list[float]) -> bytes:
    """Draw one mosaic: the image and its decoding in the first column, a latent's traversal in each row beside it."""
    channels, height, width = image.shape
    gap = max(2, width // 32)
    tall, wide = height + gap, width + gap
    canvas = np.ones((len(order) * tall, (COLUMNS + 1) * wide + 3 * gap, channels))
    left = wide + 3 * gap
    for row, pictures in enumerate([[image], [decoded], *([[]] * len(order))][: len(order)]):
        for picture in pictures:
            canvas[row * tall : row * tall + height, :width] = np.moveaxis(picture, 0, -1)
        for column in range(COLUMNS):
            start = left + column * wide
            canvas[row * tall : row * tall + height, start : start + width] = np.moveaxis(rows[row, column], 0, -1)
    figure = Figure(figsize=(canvas.shape[1] / 75 + 0.9, canvas.shape[0] / 75 + 0.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(canvas.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_frame_on(False)
    labels = [
        f"z{latent}, std {value:.2f}{', idle' if value < IDLE else ''}"
        for latent, value in zip(order, spread, strict=True)
    ]
    axes.set_yticks([row * tall + height / 2 for row in range(len(order))], labels, fontsize=8)
    steps = [f"{value:+.1f} std" for value in np.linspace(-REACH, REACH, COLUMNS)]
    centres = [left + column * wide + width / 2 for column in range(COLUMNS)]
    axes.set_xticks([width / 2, *centres], ["image,\ndecoded", *steps], fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    return _png(figure)
