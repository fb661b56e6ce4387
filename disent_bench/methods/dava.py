"""DAVA: an adversarial autoencoder whose capacity follows its discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from disent_bench.objective import Objective, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.kl import KL
from disent_bench.terms.recombination import Recombination
from disent_bench.terms.reconstruction import Reconstruction
from disent_bench.weights import Excess, Steered


@register_method("dava", paper="arXiv:2303.01384")
@dataclass(frozen=True)
class DAVA:
    """DAVA: VAE held to a capacity, and a game of images against recombinations (Estermann & Wattenhofer 2023).

    Reconstruction + gamma * (KL per latent - C)^4 + the term ``recombination``. C grows while the discriminator of
    images is at chance and falls while it is better. Constants are those of the authors' dSprites recipe: ``gamma``
    500, ``c_max`` 8 nats per latent, ``disc_weight`` .3, clipped gradients of norm 1. Ours: all gradients of a step are
    added and taken at once, where the authors' code takes the autoencoder's twice; C and the game's weight follow the
    accuracy of the step before.
    """

    training: ClassVar[Mapping[str, Any]] = {"gradient_clip": 1.0}
    gamma: float = 500.0
    c_max: float = 8.0
    rate: float = 4e-5
    disc_weight: float = 0.3
    disc_decoder_weight: float = 0.001

    def __post_init__(self) -> None:
        not_negative(
            gamma=self.gamma,
            c_max=self.c_max,
            rate=self.rate,
            disc_weight=self.disc_weight,
            disc_decoder_weight=self.disc_decoder_weight,
        )

    def objective(self) -> Objective:
        """Return the sum."""
        capacity = Steered("recombination/accuracy", self.c_max, self.gamma, rate=self.rate)
        return Objective(
            Reconstruction(),
            KL(reduction="mean", weight=capacity),
            Recombination(
                encoder=self.disc_weight,
                decoder=self.disc_decoder_weight,
                weight=Excess("recombination/accuracy"),
            ),
        )
