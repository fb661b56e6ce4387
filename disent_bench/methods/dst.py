"""Distortion, added to any base."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.functional.costs import Cost
from disent_bench.objective import Term, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.distortion import Distortion
from disent_bench.terms.geometry import Side


@register_method("dst", paper="arXiv:2407.07829")
@dataclass(frozen=True)
class DST:
    """Distortion: base + weight * distortion of the decoder (or encoder), the gap's baseline (Uscidda et al. 2025).

    The paper's weights were not found; 400 is ours: its gradient was about a tenth as long as the reconstruction's.
    """

    weight: float = 400.0
    side: Side = "decoder"
    cost: Cost = "cosine"

    def __post_init__(self) -> None:
        not_negative(weight=self.weight)

    def terms(self) -> list[Term]:
        """Return the distortion."""
        return [Distortion(weight=self.weight, side=self.side, cost=self.cost)]
