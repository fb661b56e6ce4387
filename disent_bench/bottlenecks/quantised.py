"""Latents that take a few learned values each."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from disent_bench.bottlenecks.bottleneck import Bottleneck
from disent_bench.forward import Rule
from disent_bench.registry import register_bottleneck


@register_bottleneck("quantised", paper="arXiv:2305.18378")
class Quantised(Bottleneck):
    """Each latent is replaced by the nearest of its own learned scalars (Hsu et al. 2023, latent quantisation).

    A pass offers ``continuous``, the encoder's output, and ``quantised``, the nearest values, each
    ``(b, latent_dim)``. ``z`` is the quantised value with the gradient of the continuous one (straight through), so
    reconstruction trains the encoder and never the values: the terms ``quantisation`` and ``commitment`` draw the two
    together. The codes are the quantised values.

    Args:
        num_values: scalars of each latent (10 in the authors' code), at first evenly spaced in [-0.5, 0.5].
    """

    offers = frozenset({"codebook"})
    values: nn.Parameter

    def __init__(self, *, num_values: int = 10) -> None:
        super().__init__()
        if num_values < 2:
            raise ValueError(f"num_values is at least 2, not {num_values}")
        self.num_values = num_values

    def num_features(self, latent_dim: int) -> int:
        """Return one continuous value for each latent."""
        return latent_dim

    def setup(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        """Make the values, ``(latent_dim, num_values)``."""
        self.values = nn.Parameter(torch.linspace(-0.5, 0.5, self.num_values).repeat(latent_dim, 1))
        self.values.spared = True  # type: ignore[attr-defined]

    def nearest(self, continuous: Tensor) -> Tensor:
        """Return the value nearest to each of ``continuous`` ``(b, latent_dim)``, the first of equally near ones."""
        distances = (continuous.detach()[:, :, None] - self.values).abs()
        return self.values.expand(len(continuous), -1, -1).gather(2, distances.argmin(dim=2, keepdim=True))[:, :, 0]

    def rules(self) -> Mapping[str, Rule]:
        """Return the rules of ``continuous``, ``quantised`` and ``z``."""
        return {
            "continuous": lambda p: p.features.float(),
            "quantised": lambda p: self.nearest(p.continuous),
            "z": lambda p: p.continuous + (p.quantised - p.continuous).detach(),
        }

    def encode(self, features: Tensor) -> Tensor:
        """Return the quantised values."""
        return self.nearest(features.float())
