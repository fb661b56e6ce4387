"""Orthogonal Jacobian, added to any base."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.objective import Term, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.orthogonal_jacobian import OrthogonalJacobian as Orthogonality


@register_method("orthogonal_jacobian", paper="arXiv:2108.07668")
@dataclass(frozen=True)
class OrthogonalJacobian:
    """Orthogonal Jacobian: base + weight * alignment of the columns of the decoder's Jacobian (after Wei et al. 2021).

    A form of our own of OroJaR, made independent of the images' scale; the weight of 10 is ours.
    """

    weight: float = 10.0

    def __post_init__(self) -> None:
        not_negative(weight=self.weight)

    def terms(self) -> list[Term]:
        """Return the alignment."""
        return [Orthogonality(weight=self.weight)]
