"""One mathematical term per file."""

from disent_bench.terms.kl import KL
from disent_bench.terms.reconstruction import Reconstruction
from disent_bench.terms.topological import Topological
from disent_bench.terms.total_correlation import TotalCorrelation

__all__ = ["KL", "Reconstruction", "Topological", "TotalCorrelation"]
