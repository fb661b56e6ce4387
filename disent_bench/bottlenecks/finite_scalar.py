"""Latents that take fixed, evenly spaced values."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from disent_bench.bottlenecks.bottleneck import Bottleneck
from disent_bench.forward import Rule
from disent_bench.registry import register_bottleneck


@register_bottleneck("finite_scalar", paper="arXiv:2404.10282")
class FiniteScalar(Bottleneck):
    """Each latent is squashed by tanh and rounded to one of L fixed levels in [-1, 1] (Tripod, Hsu et al. 2024).

    ``c = tanh(feature)``, ``q = 2 round((c + 1) / 2 * (L - 1)) / (L - 1) - 1``. A pass offers ``continuous``, c, and
    ``quantised``, q, each ``(b, latent_dim)``; ``z`` is q with the gradient of c (straight through). The codes are q.
    There is no codebook and nothing to commit to.

    Args:
        num_levels: L; 12 in the authors' code.
    """

    def __init__(self, *, num_levels: int = 12) -> None:
        super().__init__()
        if num_levels < 2:
            raise ValueError(f"num_levels is at least 2, not {num_levels}")
        self.num_levels = num_levels

    def num_features(self, latent_dim: int) -> int:
        """Return one value for each latent."""
        return latent_dim

    def nearest(self, continuous: Tensor) -> Tensor:
        """Return the level nearest to each of ``continuous`` ``(b, latent_dim)`` in [-1, 1]."""
        last = self.num_levels - 1
        return 2.0 * torch.round((continuous.detach() + 1.0) / 2.0 * last) / last - 1.0

    def rules(self) -> Mapping[str, Rule]:
        """Return the rules of ``continuous``, ``quantised`` and ``z``."""
        return {
            "continuous": lambda p: p.features.float().tanh(),
            "quantised": lambda p: self.nearest(p.continuous),
            "z": lambda p: p.continuous + (p.quantised - p.continuous).detach(),
        }

    def encode(self, features: Tensor) -> Tensor:
        """Return the levels."""
        return self.nearest(features.float().tanh())
