"""The one training loop of every method that is a sum of terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import lightning
import torch
from torch import Tensor

from disent_bench.forward import Pass, sample_posterior
from disent_bench.gradients import accumulate_gradients
from disent_bench.nets import build_network
from disent_bench.objective import Objective


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class Training:
    """Settings of the optimisation that every method shares; defaults are those of Locatello et al. 2019.

    Attributes:
        network: name of an encoder-decoder pair (`disent_bench.nets`).
        latent_dim: number of latents.
        learning_rate: of Adam.
        beta1: Adam's first decay.
        beta2: Adam's second decay.
        precision: ``"bf16"`` computes the networks in bfloat16 (weights, terms and optimiser stay float32), ``"32"`` in
            float32, ``"auto"`` takes bfloat16 where the processor computes it natively.
    """

    network: str = "locatello2019"
    latent_dim: int = 10
    learning_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    precision: Literal["auto", "bf16", "32"] = "auto"


def resolve_precision(precision: str, device: torch.device | None = None) -> str:
    """Turn ``"auto"`` into ``"bf16"`` or ``"32"``, by what the device computes natively."""
    if precision != "auto":
        return precision
    if device is not None and device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "32"


class DisentModule(lightning.LightningModule):
    """A variational autoencoder trained on an `Objective`, with manual optimisation.

    There is a decoder if some term needs one; else ``decoder`` is None.

    Batches offer ``images``, float ``(b, c, h, w)`` in [0, 1], and ``second`` (images again, or None).
    """

    def __init__(
        self,
        objective: Objective,
        image_shape: tuple[int, int, int],
        n_train: int,
        training: Training | None = None,
        log_every: int = 50,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.training_settings = training or Training()
        self.objective = objective
        settings = self.training_settings
        self.encoder, decoder = build_network(settings.network, image_shape, settings.latent_dim)
        self.decoder = decoder if "decoder" in objective.needs else None
        self.n_train = n_train
        self.log_every = log_every
        self.step = 0

    def get_extra_state(self) -> dict[str, int]:
        """The step, which schedules depend on."""
        return {"step": self.step}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Restore the step."""
        self.step = state["step"]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over encoder and decoder, fused."""
        s = self.training_settings
        return torch.optim.Adam(
            self._network_parameters(), lr=s.learning_rate, betas=(s.beta1, s.beta2), eps=1e-8, fused=True
        )

    def encode_posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of images ``(b, c, h, w)`` in [0, 1], each ``(b, latent)`` in float32."""
        with self._autocast():
            mean, logvar = self.encoder(images)
        return mean.float(), logvar.float()

    def decode_logits(self, z: Tensor) -> Tensor:
        """Return Bernoulli logits of latents ``(b, latent)``, in float32; not for an objective without a decoder."""
        assert self.decoder is not None
        with self._autocast():
            logits = self.decoder(z)
        return logits.float()

    def encode(self, images: Tensor) -> Tensor:
        """Return the representation that is scored: posterior means, shape ``(b, latent)``."""
        return self.encode_posterior(images)[0]

    def decode(self, codes: Tensor) -> Tensor:
        """Return pixel probabilities, shape ``(b, c, h, w)``."""
        return torch.sigmoid(self.decode_logits(codes))

    def run_pass(self, images: Tensor, second: Tensor | None = None) -> Pass:
        """Run one forward pass that holds everything the objective's terms read."""
        mean, logvar = self.encode_posterior(images)
        z = sample_posterior(mean, logvar)
        return Pass(
            x=images,
            mean=mean,
            logvar=logvar,
            z=z,
            logits=None if self.decoder is None else self.decode_logits(z),
            decode=self.decode_logits,
            encode=self.encode_posterior,
            latent_norms=None if self.decoder is None else self.decoder.latent_norms().detach(),
            step=self.step,
            n_train=self.n_train,
            second=None if second is None else self.run_pass(second),
        )

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Take one optimiser step and, every ``log_every`` steps, log it and check that the loss is finite."""
        p = self.run_pass(batch.images, batch.second if "second" in self.objective.needs else None)
        parts = self.objective(p)
        optimizer = self.optimizers()
        optimizer.zero_grad()  # type: ignore[union-attr]
        cosines = accumulate_gradients(self.objective, parts, self._network_parameters())
        optimizer.step()  # type: ignore[union-attr]
        self.step += 1
        if self.step % self.log_every == 0:
            values = {f"raw/{name}": part.raw for name, part in parts.items()}
            values |= {f"weighted/{name}": part.weighted for name, part in parts.items()}
            values["loss"] = torch.stack([part.weighted for part in parts.values()]).sum()
            values |= {f"gradient_cosine/{name}": value for name, value in cosines.items()}
            self._log({name: float(value.detach()) for name, value in values.items()})

    def _log(self, values: dict[str, float]) -> None:
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            raise NonFiniteLossError(f"{', '.join(broken)} not finite at step {self.step}")
        for term in self.objective:
            values |= {f"{term.name}/{name}": value for name, value in term.measurements().items()}
            if skipped := int(term.skipped):
                values[f"{term.name}/skipped_steps"] = float(skipped)
        for logger in self.loggers:
            logger.log_metrics(values, step=self.step)

    def _network_parameters(self) -> list[torch.nn.Parameter]:
        return [p for network in (self.encoder, self.decoder) if network is not None for p in network.parameters()]

    def _autocast(self) -> torch.autocast:
        # Codes that are scored and images that are looked at are computed in float32.
        enabled = self.training and resolve_precision(self.training_settings.precision, self.device) == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)
