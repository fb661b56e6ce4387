"""Distance of the codes from the prior."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.mmd import KERNELS, Kernel, maximum_mean_discrepancy
from disent_bench.objective import Term, choose
from disent_bench.registry import register_term


@register_term("mmd", paper="arXiv:1706.02262")
class MMD(Term):
    """Squared maximum mean discrepancy between a batch's latents and draws from the prior N(0, I) (Zhao et al. 2019).

    It needs no posterior: any latents ``z`` are drawn to the prior as a whole, none on its own.

    Args:
        kernel: ``"gaussian"`` (the authors' code) or ``"inverse_multiquadratic"``
            (`disent_bench.functional.mmd.maximum_mean_discrepancy`).
        unbiased: the U-statistic, which can be negative; the authors' code has the V-statistic.
        num_prior: how many draws from the prior; 200 in the authors' code.
    """

    def __init__(
        self, *, kernel: Kernel = "gaussian", unbiased: bool = False, num_prior: int = 200, **common: Any
    ) -> None:
        super().__init__(**common)
        choose("kernel", kernel, tuple(KERNELS))
        if num_prior < 2:
            raise ValueError(f"num_prior is at least 2, not {num_prior}")
        self.kernel: Kernel = kernel
        self.unbiased, self.num_prior = unbiased, num_prior

    def forward(self, p: Pass) -> Tensor:
        """Return the discrepancy, a pure number."""
        shape = (self.num_prior, p.z.shape[1])
        prior = torch.randn(shape, generator=self.generator(p.z.device), dtype=p.z.dtype, device=p.z.device)
        return maximum_mean_discrepancy(p.z, prior, self.kernel, unbiased=self.unbiased)
