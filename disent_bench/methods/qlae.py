"""Quantised latent autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from disent_bench.bottlenecks.quantised import Quantised
from disent_bench.objective import Objective, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.commitment import Commitment
from disent_bench.terms.quantisation import Quantisation
from disent_bench.terms.reconstruction import Reconstruction


@register_method("qlae", paper="arXiv:2305.18378")
@dataclass(frozen=True)
class QLAE:
    """QLAE: an autoencoder whose latents take num_values learned values each, with weight decay (Hsu et al. 2023).

    Cross-entropy per pixel value + ``quantisation`` * squared distance that draws the values + ``commitment`` * the
    same that draws the encoder. Weights of .01, 10 values, AdamW with decay .1 (.001 on MPI3D) and gradients clipped
    entry by entry at 1 are those of the authors' code. It also has a rate of 1e-3, batches of 128, twice as many
    latents as factors and a decoder modulated by style; here these are the protocol's.
    """

    training: ClassVar[Mapping[str, Any]] = {
        "optimizer": "adamw",
        "weight_decay": 0.1,
        "gradient_clip_value": 1.0,
    }
    num_values: int = 10
    quantisation: float = 0.01
    commitment: float = 0.01

    def __post_init__(self) -> None:
        not_negative(quantisation=self.quantisation, commitment=self.commitment)

    def objective(self) -> Objective:
        """Return the sum."""
        return Objective(
            Reconstruction(reduction="mean"),
            Quantisation(weight=self.quantisation),
            Commitment(weight=self.commitment),
        )

    def bottleneck(self) -> Quantised:
        """Return latents with a codebook of scalars each."""
        return Quantised(num_values=self.num_values)
