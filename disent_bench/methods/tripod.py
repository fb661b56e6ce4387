"""Tripod: quantised latents, independent latents, latents that do not act on each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from disent_bench.bottlenecks.finite_scalar import FiniteScalar
from disent_bench.objective import Objective, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.hessian import Hessian
from disent_bench.terms.multi_information import MultiInformation
from disent_bench.terms.reconstruction import Reconstruction


@register_method("tripod", paper="arXiv:2404.10282")
@dataclass(frozen=True)
class Tripod:
    """Tripod: autoencoder of fixed levels + multi-information + normalised Hessian penalty (Hsu et al. 2024).

    Cross-entropy per pixel value. Weights are those of the authors' code for Shapes3D; theirs differ by data set (MPI3D
    1e-8 and 1e-4), and dSprites is not among them. AdamW without decay, gradients clipped entry by entry at 1, 12
    levels and the network `hsu2024` as there; with networks without instance norm all latents saturate and the
    autoencoder learns nothing. Rate and steps are the protocol's (theirs: 2e-4, 250,000), and so are the latents
    (theirs: two for each factor). ``subset`` is how many images of a batch the Hessian penalty looks at, all if null.
    """

    training: ClassVar[Mapping[str, Any]] = {
        "network": "hsu2024",
        "optimizer": "adamw",
        "gradient_clip_value": 1.0,
    }
    multi_information: float = 1e-4
    hessian: float = 1e-2
    num_levels: int = 12
    subset: int | None = None

    def __post_init__(self) -> None:
        not_negative(multi_information=self.multi_information, hessian=self.hessian)

    def objective(self) -> Objective:
        """Return the sum."""
        return Objective(
            Reconstruction(reduction="mean"),
            MultiInformation(weight=self.multi_information),
            Hessian(weight=self.hessian, subset=self.subset),
        )

    def bottleneck(self) -> FiniteScalar:
        """Return latents with fixed levels."""
        return FiniteScalar(num_levels=self.num_levels)
