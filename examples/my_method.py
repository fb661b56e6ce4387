"""A method of your own: `make bench METHOD=my_method PLUGIN=examples/my_method.py`."""

from dataclasses import dataclass

from disent_bench import Objective, Pass, Term, register_method, register_term
from disent_bench.terms import KL, Reconstruction


@register_term("decorrelation")
class Decorrelation(Term):
    """Sum of squared covariances between the posterior means of different latents."""

    def forward(self, p: Pass):
        centred = p.mean - p.mean.mean(0)
        covariance = centred.T @ centred / len(centred)
        return covariance.square().sum() - covariance.diagonal().square().sum()


@register_method("my_method")
@dataclass(frozen=True)
class MyMethod:
    """VAE + lambda * off-diagonal covariance."""

    weight: float = 10.0

    def objective(self) -> Objective:
        return Objective(Reconstruction(), KL(), Decorrelation(weight=self.weight))
