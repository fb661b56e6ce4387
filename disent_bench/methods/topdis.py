"""TopDis: a topological loss on latent traversals, added to any base."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.objective import Term, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.topological import Topological


@register_method("topdis", paper="arXiv:2308.12696")
@dataclass(frozen=True)
class TopDis:
    """TopDis: base + gamma * RTD of a latent traversal, projected against reconstruction (Balabin et al. 2024).

    ``gamma`` 5 and ``delay`` 100,000 are those of the authors' dSprites scripts; a protocol may set another delay.
    """

    gamma: float = 5.0
    delay: int = 100_000
    orthogonalize: bool = True

    def __post_init__(self) -> None:
        not_negative(gamma=self.gamma, delay=self.delay)

    def terms(self) -> list[Term]:
        """Return the topological term."""
        guard = "reconstruction" if self.orthogonalize else None
        return [Topological(weight=self.gamma, start=self.delay, orthogonal_to=guard)]
