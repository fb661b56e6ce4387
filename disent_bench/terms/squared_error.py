"""Squared error of the decoded images."""

from __future__ import annotations

from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("squared_error", paper="arXiv:2602.09277")
class SquaredError(Term):
    """``sum (x - s(l))^2`` over pixels and channels, mean over images; l logits of a sample, s the logistic function.

    The auxiliary penalty of the lambda-beta-VAE. Sum or mean, probabilities or logits, sample or mean: the paper's
    choices were not found, these are ours.
    """

    needs = frozenset({"decoder"})

    def forward(self, p: Pass) -> Tensor:
        """Return the mean over the batch, in squared pixel values."""
        return (p.x - p.logits.sigmoid()).square().sum() / len(p.x)
