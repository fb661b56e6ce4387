"""Latent traversals: what each latent does to an image."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from matplotlib.figure import Figure
from torch import Tensor

from disent_bench.callbacks.checkpoint import undisturbed
from disent_bench.files import write_atomically

COLUMNS = 9
REACH = 2.0


class Traversals(Callback):
    """Draws decoded traversals of every latent of one image, to ``path`` and to TensorBoard.

    Each row moves one latent over the mean +- 2 standard deviations of its codes while the others keep the image's
    posterior mean. Rows are sorted by that standard deviation: a latent that the model does not use has codes near 0
    everywhere and a row that does not change.

    Args:
        images: float images ``(n, c, h, w)`` in [0, 1]; the first is traversed, all of them give the codes' range.
        path: where the picture goes.
        every: steps between two pictures; 0 draws at the end of training only.
    """

    def __init__(self, images: Tensor, path: Path, every: int) -> None:
        self.images, self.path, self.every = images, path, every
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
        """Draw ``module`` as it is now; a module without ``decode`` has no picture."""
        if not hasattr(module, "decode"):
            return
        picture = undisturbed(traversal_picture)(module, self.images.to(module.device))
        write_atomically(self.path, picture)
        for logger in loggers:
            if isinstance(logger, TensorBoardLogger):
                pixels = matplotlib.image.imread(io.BytesIO(picture))[..., :3]
                logger.experiment.add_image("traversals", pixels, self.batches, dataformats="HWC")


@torch.no_grad()
def traversal_picture(module: Any, images: Tensor) -> bytes:
    """Return a PNG with one row per latent of ``module``, which offers ``encode`` and ``decode``."""
    training = module.training
    module.eval()
    codes = module.encode(images)
    latent_dim = codes.shape[1]
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
    return _figure(images[0].cpu().numpy(), first, decoded, order.tolist(), spread[order].tolist(), latent_dim)


def _figure(
    image: np.ndarray,
    decoded: np.ndarray,
    rows: np.ndarray,
    order: list[int],
    spread: list[float],
    latent_dim: int,
) -> bytes:
    figure = Figure(figsize=(1.0 * (COLUMNS + 2), 0.98 * latent_dim + 0.5), layout="constrained")
    axes = figure.subplots(latent_dim, COLUMNS + 1, squeeze=False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_frame_on(False)
    for row, latent in enumerate(order):
        for column in range(COLUMNS):
            _show(axes[row, column + 1], rows[row, column])
        axes[row, 1].set_ylabel(f"z{latent}\nstd {spread[row]:.2f}", rotation=0, ha="right", va="center", fontsize=8)
    _show(axes[0, 0], image)
    axes[0, 0].set_title("image", fontsize=8)
    if latent_dim > 1:
        _show(axes[1, 0], decoded)
        axes[1, 0].set_title("decoded", fontsize=8)
    for column, value in enumerate(np.linspace(-REACH, REACH, COLUMNS)):
        axes[0, column + 1].set_title(f"{value:+.1f} std", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _show(axis: object, image: np.ndarray) -> None:
    pixels = np.moveaxis(image, 0, -1)
    grey = pixels.shape[-1] == 1
    axis.imshow(pixels[..., 0] if grey else pixels, cmap="gray" if grey else None, vmin=0, vmax=1)  # type: ignore[attr-defined]
