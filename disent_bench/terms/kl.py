"""Divergence of the posterior from the prior."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.gaussian import kl_to_standard_normal
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("kl", paper="arXiv:1312.6114")
class KL(Term):
    """KL(q(z|x) || N(0, I)): analytic, summed over latents, mean over images, in nats.

    Args:
        reduction: over latents, ``"sum"`` or ``"mean"``; the latter, in nats per latent, is what DAVA's code takes.
    """

    needs = frozenset({"posterior"})

    def __init__(self, *, reduction: Literal["sum", "mean"] = "sum", **common: Any) -> None:
        super().__init__(**common)
        self.reduction: Literal["sum", "mean"] = reduction

    def forward(self, p: Pass) -> Tensor:
        """Return the mean divergence of the batch."""
        value = kl_to_standard_normal(p.mean, p.logvar).sum(dim=1).mean()
        return value if self.reduction == "sum" else value / p.mean.shape[1]
