"""What draws the values of a codebook to the latents."""

from __future__ import annotations

from collections.abc import Mapping

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
        ordered = p.quantised.detach().sort(dim=0).values
        self._used = 1.0 + (ordered.diff(dim=0) != 0).sum(dim=0).float().mean()
        return (p.continuous.detach() - p.quantised).square().mean()

    def measurements(self) -> Mapping[str, Tensor]:
        """How many of its values a latent takes in the latest batch, mean over latents."""
        return {"values_used": self._used}
