"""What draws the values of a codebook to the latents."""

from __future__ import annotations

from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("quantisation", paper="arXiv:2305.18378")
class Quantisation(Term):
    """Squared distance from the values to the continuous latents, which are held fixed (Hsu et al. 2023).

    ``mean_il (sg(z_il) - q_il)^2``: it trains the codebook and nothing else.
    """

    needs = frozenset({"codebook"})

    def forward(self, p: Pass) -> Tensor:
        """Return the mean over batch and latents, in squared units of the latents."""
        return (p.continuous.detach() - p.quantised).square().mean()
