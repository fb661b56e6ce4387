"""Gromov-Monge gap of the encoder or the decoder."""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor

from disent_bench.functional.costs import STATISTICS, Statistic
from disent_bench.functional.coupling import SOLVERS, Solver
from disent_bench.functional.gromov_wasserstein import INITS, VALUES, Init, Value, gromov_monge_gap
from disent_bench.host import is_recorded
from disent_bench.objective import choose
from disent_bench.registry import register_term
from disent_bench.terms.geometry import GeometricTerm


@register_term("gromov_monge", paper="arXiv:2407.07829")
class GromovMonge(GeometricTerm):
    """Distortion of a map minus the least of any coupling of a batch and its image (Uscidda et al. 2025, section 3).

    Zero if no re-assignment of the images is found that would keep the geometry better. The coupling is held fixed in
    the gradient.

    Args:
        value: ``"bounded"``, at least 0 because the map itself is among the couplings, and 0 at nearly every step of a
            trained model; ``"entropic"`` or ``"debiased"``, which act at every step
            (`disent_bench.functional.gromov_wasserstein.gromov_monge_gap`).
        epsilon: entropic strength relative to the two costs (the paper's eps0; its value was not found).
        epsilon_statistic: statistic of the costs that epsilon is relative to; the paper takes the mean.
        init: ``"best"`` of the entropic couplings and the map itself, so that the gap is not negative; or the entropic
            coupling from ``"product"`` or ``"identity"`` alone, blurred as it is
            (`disent_bench.functional.gromov_wasserstein.gromov_monge_gap`). What is descended then is the gap to the
            entropic objective, of which the value that is logged leaves out the entropy: the two can have opposite
            slopes.
        solver: ``"native"``, ``"triton"``, ``"torch"`` or ``"pot"``
            (`disent_bench.functional.gromov_wasserstein.entropic_gromov_wasserstein`).
    """

    def __init__(
        self,
        *,
        value: Value = "bounded",
        epsilon: float = 0.01,
        epsilon_statistic: Statistic = "mean",
        init: Init = "best",
        solver: Solver = "native",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if not 0 < epsilon < float("inf"):
            raise ValueError(f"epsilon is above 0, not {epsilon}")
        choose("epsilon_statistic", epsilon_statistic, STATISTICS)
        choose("value", value, VALUES)
        choose("init", init, INITS)
        if value != "bounded" and init != "best":
            raise ValueError(f"init belongs to the bounded value; the {value} one always starts from the map")
        self.value: Value = value
        choose("solver", solver, SOLVERS)
        self.epsilon, self.epsilon_statistic, self.init, self.solver = epsilon, epsilon_statistic, init, solver
        self.on_host = solver == "torch"
        self._measurements: dict[str, float] = {}

    def compare(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the gap, in squared units of the cost."""
        start = time.perf_counter()
        gap = gromov_monge_gap(
            x,
            y,
            value=self.value,
            cost=self.cost,
            epsilon=self.epsilon,
            init=self.init,
            scale=self.scale,
            epsilon_statistic=self.epsilon_statistic,
            solver=self.solver,
        )
        self._measurements = {} if is_recorded() else {"solver_ms": 1e3 * (time.perf_counter() - start)}
        return gap

    def measurements(self) -> dict[str, float]:
        """Time that costs and plan took the host in the latest step, nothing if replayed; a GPU may work on then."""
        return self._measurements
