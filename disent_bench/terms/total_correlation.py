"""Parts of the KL, estimated from a minibatch."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.gaussian import Decomposition, Estimator, decomposition
from disent_bench.objective import Term
from disent_bench.registry import register_term


class _Part(Term):
    """A part of the KL.

    Args:
        estimator: of the aggregate posterior, ``"weighted"`` or ``"stratified"``
            (`disent_bench.functional.gaussian.decomposition`).
    """

    needs = frozenset({"posterior"})

    def __init__(self, *, estimator: Estimator = "weighted", **common: Any) -> None:
        super().__init__(**common)
        self.estimator: Estimator = estimator

    def parts(self, p: Pass) -> Decomposition:
        """Return all three parts, computed once in a pass."""
        name = f"decomposition by {self.estimator} sampling"
        found: Decomposition = p.once(name, lambda p: decomposition(p.z, p.mean, p.logvar, p.n_train, self.estimator))
        return found


@register_term("total_correlation", paper="arXiv:1802.04942")
class TotalCorrelation(_Part):
    """KL(q(z) || prod_l q(z_l)) by minibatch sampling, in nats per image (Chen et al. 2018).

    The weighted estimate carries the weighting's constants, so it is offset by up to ``(d - 1) log(b n)`` nats;
    gradients are not.
    """

    def forward(self, p: Pass) -> Tensor:
        """Return the estimate over the batch."""
        return self.parts(p).total_correlation


@register_term("mutual_information", paper="arXiv:1802.04942")
class MutualInformation(_Part):
    """Mutual information of image and code, ``E[log q(z|x) - log q(z)]``, in nats per image (Chen et al. 2018).

    The weighted estimate is offset by up to ``log n`` nats, the entropy of an image's number; gradients are not.
    """

    def forward(self, p: Pass) -> Tensor:
        """Return the estimate over the batch."""
        return self.parts(p).mutual_information


@register_term("dimension_wise_kl", paper="arXiv:1802.04942")
class DimensionWiseKL(_Part):
    """KL of the code's marginals to the prior's, ``sum_l KL(q(z_l) || p(z_l))``, in nats per image (Chen et al. 2018).

    The weighted estimate is offset by up to ``-d log(b n)`` nats; gradients are not.
    """

    def forward(self, p: Pass) -> Tensor:
        """Return the estimate over the batch."""
        return self.parts(p).dimension_wise_kl
