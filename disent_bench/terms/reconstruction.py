"""Reconstruction error."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from disent_bench.forward import Pass
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("reconstruction", paper="arXiv:1312.6114")
class Reconstruction(Term):
    """Bernoulli negative log-likelihood of the images: summed over pixels and channels, mean over images, in nats.

    Grey and colour values in [0, 1] are soft labels, so the value has a floor above zero on such data.
    """

    needs = frozenset({"decoder"})

    def forward(self, p: Pass) -> Tensor:
        """Return ``sum_pixels -x log s(logit) - (1 - x) log(1 - s(logit))``, averaged over the batch."""
        assert p.logits is not None
        return binary_cross_entropy_with_logits(p.logits, p.x, reduction="sum") / len(p.x)
