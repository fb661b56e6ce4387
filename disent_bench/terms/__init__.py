"""One mathematical term per file."""

from disent_bench.terms.distortion import Distortion
from disent_bench.terms.gromov_monge import GromovMonge
from disent_bench.terms.hausdorff import Hausdorff
from disent_bench.terms.isometry import Isometry
from disent_bench.terms.kl import KL
from disent_bench.terms.reconstruction import Reconstruction
from disent_bench.terms.spread import Spread
from disent_bench.terms.topological import Topological
from disent_bench.terms.total_correlation import TotalCorrelation

__all__ = [
    "KL",
    "Distortion",
    "GromovMonge",
    "Hausdorff",
    "Isometry",
    "Reconstruction",
    "Spread",
    "Topological",
    "TotalCorrelation",
]
