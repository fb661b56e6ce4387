"""What draws the latents to the values of a codebook."""

from __future__ import annotations

from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("commitment", paper="arXiv:2305.18378")
class Commitment(Term):
    """Squared distance from the continuous latents to their values, which are held fixed (Hsu et al. 2023).

    ``mean_il (z_il - sg(q_il))^2``: it trains the encoder and nothing else.
    """

    needs = frozenset({"codebook"})

    def forward(self, p: Pass) -> Tensor:
        """Return the mean over batch and latents, in squared units of the latents."""
        return (p.continuous - p.quantised.detach()).square().mean()
