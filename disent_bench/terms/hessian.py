"""Mixed second derivatives of the decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.hessian import hessian_directions, normalised_hessian_penalty
from disent_bench.functional.multi_information import deviations
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("hessian", paper="arXiv:2404.10282")
class Hessian(Term):
    """Normalised Hessian penalty: how much latents act on each other in the decoder's layers (Hsu et al. 2024, Tripod).

    For each hidden layer of the decoder the share of mixed second derivatives in the latents, scaled by the latents'
    deviations, estimated with two random signs and two Gaussian directions
    (`disent_bench.functional.hessian.normalised_hessian_penalty`); summed over layers, a pure number.

    Args:
        subset: how many images of the batch are looked at, drawn at random; null for all, as in the authors' code. Each
            costs nine passes of the decoder.
    """

    needs = frozenset({"decoder", "fitted", "activations"})

    def __init__(self, *, subset: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        if subset is not None and subset < 1:
            raise ValueError(f"subset is at least 1 image, or null for the whole batch, not {subset}")
        self.subset = subset

    def forward(self, p: Pass) -> Tensor:
        """Return the penalty."""
        generator = self.generator(p.z.device)
        rows = torch.randperm(len(p.z), generator=generator, device=p.z.device)[: self.subset]
        codes = p.z[rows]
        scales = deviations(getattr(p, "continuous", p.z))
        return normalised_hessian_penalty(p.activations, codes, scales, hessian_directions(codes, generator))
