"""Orthogonal columns of the decoder's Jacobian."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.orthogonality import column_alignment, sign_directions
from disent_bench.objective import Term
from disent_bench.registry import register_term


@register_term("orthogonal_jacobian", paper="arXiv:2108.07668")
class OrthogonalJacobian(Term):
    """Squared inner products of the Jacobian's columns, relative to their lengths (after Wei et al. 2021, OroJaR).

    ``2 sum_{i != j} G_ij^2 / (tr G)^2`` with ``G = J^T J`` of the decoder (pixel probabilities, at posterior samples),
    a pure number, 0 for orthogonal columns (`disent_bench.functional.orthogonality.column_alignment`). The authors' own
    value is not divided, on a generator's layers, and takes the largest of the batch; the division, which makes it
    independent of the images' scale, is ours. The loss of the later work on orthogonal columns (arXiv:2606.21385) was
    not found.

    Args:
        num_probes: random signs for each image, at least 2; 2 in the authors' code.
        subset: how many images of the batch are looked at, drawn at random; null for all.
    """

    needs = frozenset({"decoder", "fitted"})
    heavy = True

    def __init__(self, *, num_probes: int = 2, subset: int | None = 16, **common: Any) -> None:
        super().__init__(**common)
        if num_probes < 2:
            raise ValueError(f"num_probes is at least 2, not {num_probes}")
        if subset is not None and subset < 1:
            raise ValueError(f"subset is at least 1 image, or null for the whole batch, not {subset}")
        self.num_probes, self.subset = num_probes, subset

    def forward(self, p: Pass) -> Tensor:
        """Return the estimate over the batch."""
        generator = self.generator(p.z.device)
        rows = torch.randperm(len(p.z), generator=generator, device=p.z.device)[: self.subset]
        codes = p.z[rows]
        directions = sign_directions(codes, self.num_probes, generator)
        return column_alignment(lambda z: p.decode(z).sigmoid(), codes, directions)
