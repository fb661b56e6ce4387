"""Isometry of the decoder, from its Jacobian."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.isometry import relaxed_distortion
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("isometry", paper="openreview:mfwdY3U_9ea")
class Isometry(Term):
    """Relaxed distortion of the decoder's pullback metric ``J^T J`` [Lee et al. 2022], a pure number, at least
    1/latents.

    That this is the Jacobian baseline of the Gromov-Monge paper is inferred. The decoder's output is pixel
    probabilities.

    Args:
        num_probes: Gaussian probes per image for both traces.
        subset: how many images of the batch are looked at, drawn at random; each costs about two decodings and two
            backward passes a probe.
    """

    needs = frozenset({"decoder"})

    def __init__(self, *, num_probes: int = 1, subset: int = 16, **common: Any) -> None:
        super().__init__(**common)
        if num_probes < 1:
            raise ValueError(f"num_probes is at least 1, not {num_probes}")
        if subset < 1:
            raise ValueError(f"subset is at least 1 image, not {subset}")
        self.num_probes, self.subset = num_probes, subset

    def forward(self, p: Pass) -> Tensor:
        """Return ``E[tr H^2] / E[tr H]^2`` over the batch, H the pullback metric at a posterior sample."""
        rows = torch.randperm(len(p.z), device=p.z.device)[: self.subset]
        return relaxed_distortion(lambda z: p.decode(z).sigmoid(), p.z[rows], num_probes=self.num_probes)
