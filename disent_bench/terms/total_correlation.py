"""Total correlation of the aggregate posterior, estimated from a minibatch."""

from __future__ import annotations

from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.gaussian import total_correlation
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("total_correlation", paper="arXiv:1802.04942")
class TotalCorrelation(Term):
    """KL(q(z) || prod_l q(z_l)) by minibatch weighted sampling, in nats per image (Chen et al. 2018).

    The estimate carries the weighting's constants, so it is offset by up to ``(d - 1) log(b n)`` nats; gradients are
    not.
    """

    needs = frozenset({"posterior"})

    def forward(self, p: Pass) -> Tensor:
        """Return the estimate over the batch."""
        return total_correlation(p.z, p.mean, p.logvar, p.n_train)
