"""The Gaussian posterior of a variational autoencoder."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from disent_bench.bottlenecks.bottleneck import Bottleneck
from disent_bench.forward import Rule, sample_posterior
from disent_bench.registry import register_bottleneck


@register_bottleneck("gaussian", paper="arXiv:1312.6114")
class Gaussian(Bottleneck):
    """Mean and log-variance of a diagonal Gaussian posterior; ``z`` is a sample, the codes are means.

    A pass offers ``mean``, ``logvar`` and ``posterior``, the two of them, each ``(b, latent_dim)`` (Kingma & Welling
    2014).
    """

    offers = frozenset({"posterior"})

    def num_features(self, latent_dim: int) -> int:
        """Return one mean and one log-variance for each latent."""
        return 2 * latent_dim

    def posterior(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, each float32 ``(b, latent_dim)``."""
        mean, logvar = features.chunk(2, dim=1)
        return mean.float(), logvar.float()

    def rules(self) -> Mapping[str, Rule]:
        """Return the rules of ``posterior`` and ``z``."""
        return {
            "posterior": lambda p: self.posterior(p.features),
            "z": lambda p: sample_posterior(p.mean, p.logvar, p.generator),
        }

    def encode(self, features: Tensor) -> Tensor:
        """Return the means."""
        return self.posterior(features)[0]
