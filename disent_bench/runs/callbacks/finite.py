"""A loss that is not finite ends a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from disent_bench.host import sharing
from disent_bench.module import DisentModule, NonFiniteLossError


class FiniteLoss(Callback):
    """Looks every ``every`` steps at the loss that a `LightningModule` returns; a `DisentModule` looks itself."""

    def __init__(self, every: int) -> None:
        self.every = every

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Raise `NonFiniteLossError` if it is not."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if (batch_idx + 1) % self.every or isinstance(pl_module, DisentModule):
            return
        sharing().before_waiting()
        if isinstance(loss, torch.Tensor) and not bool(loss.isfinite().all()):
            raise NonFiniteLossError(f"loss not finite at step {batch_idx + 1}")
