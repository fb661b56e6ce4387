"""Variational autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.objective import Objective
from disent_bench.registry import register_method
from disent_bench.terms.kl import KL
from disent_bench.terms.reconstruction import Reconstruction


@register_method("vae", paper="arXiv:1312.6114")
@dataclass(frozen=True)
class VAE:
    """Variational autoencoder: reconstruction + KL (Kingma & Welling 2014)."""

    def objective(self) -> Objective:
        """Return the evidence lower bound, negated."""
        return Objective(Reconstruction(), KL())
