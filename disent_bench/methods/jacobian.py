"""Isometry by the Jacobian, added to any base."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.objective import Term, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.geometry import Side
from disent_bench.terms.isometry import Isometry


@register_method("jacobian", paper="openreview:mfwdY3U_9ea")
@dataclass(frozen=True)
class Jacobian:
    """Jacobian isometry: base + weight * relaxed distortion of decoder's J^T J or encoder's J J^T (Lee et al. 2022).

    That the Gromov-Monge paper's Jacobian baseline is this one, and its form for the encoder, are inferred; the weight
    of 10 is ours.
    """

    weight: float = 10.0
    side: Side = "decoder"

    def __post_init__(self) -> None:
        not_negative(weight=self.weight)

    def terms(self) -> list[Term]:
        """Return the relaxed distortion."""
        return [Isometry(weight=self.weight, side=self.side)]
