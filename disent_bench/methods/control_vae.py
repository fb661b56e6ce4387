"""ControlVAE: the weight of the KL is a controller's."""

from __future__ import annotations

from dataclasses import dataclass

from disent_bench.objective import Objective, not_negative
from disent_bench.registry import register_method
from disent_bench.terms.kl import KL
from disent_bench.terms.reconstruction import Reconstruction
from disent_bench.weights import PI


@register_method("control_vae", paper="arXiv:2004.05988")
@dataclass(frozen=True)
class ControlVAE:
    """ControlVAE: a PI controller weighs the KL, so that it follows a set-point growing to c_max (Shao et al. 2020).

    Constants are those of the authors' dSprites scripts, which take ``c_max`` 16 and 18: gains .01 and -.001, a
    set-point that starts at .5 nats and grows by .15 each 5,000 steps, so that it is 18 after 585,000. The integral is
    in the checkpoint.
    """

    c_max: float = 18.0
    kp: float = 0.01
    ki: float = -0.001
    first: float = 0.5
    increment: float = 0.15
    every: int = 5_000

    def __post_init__(self) -> None:
        not_negative(c_max=self.c_max)

    def objective(self) -> Objective:
        """Return reconstruction + beta(t) * KL."""
        controller = PI(self.c_max, self.kp, self.ki, self.first, self.increment, self.every)
        return Objective(Reconstruction(), KL(weight=controller))
