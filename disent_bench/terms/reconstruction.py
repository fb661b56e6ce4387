"""Reconstruction error."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

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
        # The same number as softplus(l) - x l; the library's own function takes four times as long on a CPU.
        return (softplus(p.logits).sum() - (p.x * p.logits).sum()) / len(p.x)
