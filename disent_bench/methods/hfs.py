"""Hausdorff factorised support, added to any base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from disent_bench.objective import Term, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.hausdorff import Hausdorff


@register_method("hfs", paper="arXiv:2210.07347")
@dataclass(frozen=True)
class HFS:
    """Hausdorff factorised support: base + gamma * Hausdorff distance, on beta-VAE unless said (Roth et al. 2023).

    ``gamma`` 10 lies inside the authors' sweep of 0.1 to 10,000.
    """

    default_base: ClassVar[str] = "beta_vae"
    gamma: float = 10.0

    def __post_init__(self) -> None:
        not_negative(gamma=self.gamma)

    def terms(self) -> list[Term]:
        """Return the Hausdorff distance."""
        return [Hausdorff(weight=self.gamma)]
