"""A guard against collapse where no reconstruction holds the codes apart."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("spread", paper="arXiv:2210.07347")
class Spread(Term):
    """Hinge on the deviation of every latent's posterior means over the batch: ``sum_l max(0, 1 - std_l)``.

    Zero once every latent carries as much variance as the prior. The scale term of decoder-free HFS is a hinge of this
    kind; its exact form in the authors' code has an axis slip, so this one is ours.
    """

    needs = frozenset({"posterior"})

    def forward(self, p: Pass) -> Tensor:
        """Return the hinge, in units of the codes."""
        deviations = (p.mean.var(dim=0, correction=0) + 1e-12).sqrt()
        self._narrowest = deviations.detach().min()
        return (1.0 - deviations).clamp_min(0.0).sum()

    def measurements(self) -> Mapping[str, Tensor]:
        """Smallest deviation of a latent in the latest step: near 0, that latent has collapsed."""
        return {"smallest_std": self._narrowest}
