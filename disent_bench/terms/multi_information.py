"""Multi-information of the latents, which needs no posterior."""

from __future__ import annotations

from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.multi_information import deviations, kernel_multi_information
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("multi_information", paper="arXiv:2404.10282")
class MultiInformation(Term):
    """KL from the batch's latents to the product of their marginals, by kernel densities (Hsu et al. 2024, Tripod).

    The points are the latents ``z`` that are decoded; a kernel's width is the deviation of the latents before
    quantisation, where there is one, else of ``z``. Gradients reach both (`disent_bench.functional.multi_information`).
    """

    def forward(self, p: Pass) -> Tensor:
        """Return the estimate over the batch, in nats."""
        return kernel_multi_information(p.z, deviations(getattr(p, "continuous", p.z)))
