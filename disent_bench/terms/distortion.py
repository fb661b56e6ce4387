"""Distortion of the encoder or the decoder."""

from __future__ import annotations

from torch import Tensor

from disent_bench.functional.costs import informative_costs
from disent_bench.functional.gromov_wasserstein import distortion
from disent_bench.registry import register_term
from disent_bench.terms.geometry import GeometricTerm


@register_term("distortion", paper="arXiv:2407.07829")
class Distortion(GeometricTerm):
    """Mean squared difference of pairwise costs before and after a map, times 1/2 (Uscidda et al. 2025).

    The baseline of the Gromov-Monge gap: it asks the map to keep the geometry even where its target law forbids that.
    """

    def compare(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``1/2 mean_ij (c(x_i, x_j) - c(y_i, y_j))^2``, in squared units of the cost."""
        matched = (("x", x), ("y", y))
        return distortion(*(informative_costs(name, z, self.cost, scale=self.scale) for name, z in matched))
