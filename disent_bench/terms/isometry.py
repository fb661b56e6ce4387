"""Isometry of the encoder or the decoder, from its Jacobian."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.isometry import encoder_relaxed_distortion, relaxed_distortion
from disent_bench.objective import Term, choose
from disent_bench.registry import register_term
from disent_bench.terms.geometry import Side


@register_term("isometry", paper="openreview:mfwdY3U_9ea")
class Isometry(Term):
    """Relaxed distortion of the decoder's ``J^T J`` or the encoder's ``J J^T`` (Lee et al. 2022), at least 1/latents.

    A pure number. That it is the Jacobian baseline of the Gromov-Monge paper is inferred, and so is its form for the
    encoder. The decoder's output is pixel probabilities, the encoder's the posterior mean.

    Args:
        side: the map, ``"decoder"`` (at posterior samples) or ``"encoder"`` (at the images).
        num_probes: Gaussian probes per image for both traces.
        subset: how many images of the batch are looked at, drawn at random; each costs about two passes of the map and
            two backward passes a probe.
    """

    heavy = True

    def __init__(self, *, side: Side = "decoder", num_probes: int = 1, subset: int = 16, **common: Any) -> None:
        super().__init__(**common)
        choose("side", side, ("decoder", "encoder"))
        if num_probes < 1:
            raise ValueError(f"num_probes is at least 1, not {num_probes}")
        if subset < 1:
            raise ValueError(f"subset is at least 1 image, not {subset}")
        self.side, self.num_probes, self.subset = side, num_probes, subset
        self.needs = frozenset({"decoder", "fitted"} if side == "decoder" else {"posterior"})

    def forward(self, p: Pass) -> Tensor:
        """Return ``E[tr H^2] / E[tr H]^2`` over the batch, H the metric that the map carries over."""
        generator = self.generator(p.z.device)
        rows = torch.randperm(len(p.z), generator=generator, device=p.z.device)[: self.subset]
        if self.side == "encoder":
            return encoder_relaxed_distortion(
                lambda x: p.encode(x)[0], p.x[rows], num_probes=self.num_probes, generator=generator
            )
        return relaxed_distortion(
            lambda z: p.decode(z).sigmoid(), p.z[rows], num_probes=self.num_probes, generator=generator
        )
