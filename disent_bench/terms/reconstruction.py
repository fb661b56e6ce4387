"""Reconstruction error: the images' negative log-likelihood."""

from __future__ import annotations

import math
from typing import Any, Literal

from torch import Tensor
from torch.nn.functional import softplus

from disent_bench.forward import Pass
from disent_bench.objective import Term
from disent_bench.registry import register_term

Likelihood = Literal["bernoulli", "gaussian"]


@register_term("reconstruction", paper="arXiv:1312.6114")
class Reconstruction(Term):
    """Negative log-likelihood of the images: summed over pixels and channels, mean over images, in nats.

    Bernoulli: ``sum -x log s(l) - (1 - x) log(1 - s(l))`` with logits l and s the logistic function. Grey and colour
    values in [0, 1] are soft labels, so the value has a floor above zero on such data. Gaussian:
    ``sum (x - s(l))^2 / (2 deviation^2) + log(deviation sqrt(2 pi))``, the mean kept in (0, 1) so that it is an image;
    ``deviation`` sqrt(1/2) gives disentanglement_lib's squared error, up to a constant.

    Args:
        likelihood: ``"bernoulli"`` or ``"gaussian"``.
        deviation: of the Gaussian, in units of pixel values; the Bernoulli has none.
        reduction: over pixels and channels, ``"sum"`` or ``"mean"``; the latter, in nats per pixel value, is what the
            codes of latent quantisation and Tripod take.
    """

    needs = frozenset({"decoder"})

    def __init__(
        self,
        *,
        likelihood: Likelihood = "bernoulli",
        deviation: float = 1.0,
        reduction: Literal["sum", "mean"] = "sum",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if not 0.0 < deviation < math.inf:
            raise ValueError(f"deviation is above 0, not {deviation}")
        self.likelihood: Likelihood = likelihood
        self.deviation = deviation
        self.reduction: Literal["sum", "mean"] = reduction

    def forward(self, p: Pass) -> Tensor:
        """Return the mean over the batch."""
        value = self._summed(p)
        return value if self.reduction == "sum" else value / p.x[0].numel()

    def _summed(self, p: Pass) -> Tensor:
        if self.likelihood == "gaussian":
            squares = (p.x - p.logits.sigmoid()).square().sum() / len(p.x)
            normaliser = math.log(self.deviation * math.sqrt(2 * math.pi)) * p.x[0].numel()
            return squares / (2 * self.deviation**2) + normaliser
        # The same number as softplus(l) - x l; the library's own function takes four times as long on a CPU.
        return (softplus(p.logits).sum() - (p.x * p.logits).sum()) / len(p.x)
