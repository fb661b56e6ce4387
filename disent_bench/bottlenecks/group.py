"""Weak supervision by pairs: what two images share is averaged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from disent_bench.bottlenecks.gaussian import Gaussian
from disent_bench.forward import Rule
from disent_bench.registry import register_bottleneck

Aggregation = Literal["gvae", "ml_vae"]


@register_bottleneck("group", paper="arXiv:2002.02886")
class Group(Gaussian):
    """Gaussian posteriors of pairs that agree in the latents which both images seem to share (Locatello et al. 2020).

    The batch holds all first images, then all second ones: rows ``i`` and ``b/2 + i`` are a pair. Latent ``l`` counts
    as shared if its divergence ``delta_l`` lies below ``(max_l delta + min_l delta) / 2`` of the pair; shared
    posteriors are replaced by their average, in both images. Single images are encoded as without pairs.

    Args:
        aggregation: the average. ``"gvae"``: mean of the means, mean of the variances (Hosoya 2019); ``"ml_vae"``:
            precision-weighted mean of the means, harmonic mean of the variances (Bouchacourt et al. 2018).
        divergence: ``"kl"``, KL(first || second) as in disentanglement_lib, or ``"symmetric"``, the mean of both
            directions.
    """

    needs = frozenset({"pair"})

    def __init__(self, *, aggregation: Aggregation = "gvae", divergence: Literal["kl", "symmetric"] = "kl") -> None:
        super().__init__()
        self.aggregation: Aggregation = aggregation
        self.divergence: Literal["kl", "symmetric"] = divergence

    def rules(self) -> Mapping[str, Rule]:
        """Return the rules of ``posterior``, averaged where it is shared, and ``z``."""
        return {**super().rules(), "posterior": lambda p: self.averaged(*self.posterior(p.features))}

    def averaged(self, mean: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
        """Return the posteriors of a batch of pairs, each ``(b, latent_dim)``, with shared latents averaged."""
        means, logvars = mean.chunk(2), logvar.chunk(2)
        delta = _divergence(means[0], logvars[0], means[1], logvars[1])
        if self.divergence == "symmetric":
            delta = 0.5 * (delta + _divergence(means[1], logvars[1], means[0], logvars[0]))
        threshold = 0.5 * (delta.amax(dim=1, keepdim=True) + delta.amin(dim=1, keepdim=True))
        shared = (delta < threshold).repeat(2, 1)
        common_mean, common_logvar = _average(self.aggregation, *means, *logvars)
        return (
            torch.where(shared, common_mean.repeat(2, 1), mean),
            torch.where(shared, common_logvar.repeat(2, 1), logvar),
        )


def _divergence(mean: Tensor, logvar: Tensor, other_mean: Tensor, other_logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(other_mean, exp(other_logvar))) of each latent, in nats."""
    squares = (mean - other_mean).square() + logvar.exp()
    return 0.5 * (other_logvar - logvar + squares / other_logvar.exp() - 1.0)


def _average(kind: Aggregation, m1: Tensor, m2: Tensor, l1: Tensor, l2: Tensor) -> tuple[Tensor, Tensor]:
    if kind == "gvae":
        return 0.5 * (m1 + m2), torch.logaddexp(l1, l2) - math.log(2.0)
    precision = torch.logaddexp(-l1, -l2)  # log of the summed precisions
    return m1 * (-l1 - precision).exp() + m2 * (-l2 - precision).exp(), math.log(2.0) - precision
