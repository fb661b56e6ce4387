"""Minimality and sufficiency, which stay valid where factors depend on each other."""

from typing import Any

import numpy as np

from disent_metrics.estimators.information import bin_codes, code_information, factor_entropies
from disent_metrics.inputs import check_pair
from disent_metrics.registry import Key, register_score

MIN_SAMPLES = 15
SOURCE = "Almudevar et al. 2024 (arXiv:2408.07016), the authors' code"


@register_score(
    "minimality",
    title="Minimality",
    keys={"minimality": Key()},
    min_samples=MIN_SAMPLES,
    rewards="a code dimension knows nothing beside one factor; dead dimensions left out",
    source=SOURCE,
)
def minimality(codes: Any, factors: Any, *, num_bins: int = 15) -> dict[str, float]:
    r"""How much of what a code dimension holds is about one factor.

    .. math:: \frac1{|A|} \sum_{j \in A} \max_i \frac{I(y_i; z_j)}{H(z_j)}

    over the active dimensions A, those that fall into more than one bin. Plug-in estimates with equal-width bins
    between a dimension's minimum and maximum. Factors may depend on each other: a code that equals them is minimal all
    the same. In the authors' code a constant dimension makes the score NaN; here it is left out, and a code of
    constants scores 0.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 15 samples.
        factors: Factor indices, integers ``(n, k)``.
        num_bins: Bins per code dimension.

    Returns:
        ``{"minimality": value}``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or fewer than 2 bins.

    >>> import numpy as np
    >>> factors = np.repeat([[0, 0], [1, 1], [0, 1], [1, 0]], [30, 30, 10, 10], axis=0)
    >>> round(minimality(1.0 * factors, factors)["minimality"], 6)
    1.0
    """
    information, _ = code_information(codes, factors, num_bins, minimum=MIN_SAMPLES)
    checked, _ = check_pair(codes, factors, minimum=MIN_SAMPLES)
    entropies = factor_entropies(bin_codes(checked, num_bins))
    active = entropies > 0
    shares = information[active].max(axis=1) / entropies[active]
    return {"minimality": float(shares.mean()) if active.any() else 0.0}


@register_score(
    "sufficiency",
    title="Sufficiency",
    keys={"sufficiency": Key()},
    min_samples=MIN_SAMPLES,
    rewards="one code dimension knows all about a factor",
    source=SOURCE,
)
def sufficiency(codes: Any, factors: Any, *, num_bins: int = 15) -> dict[str, float]:
    r"""How much of each factor one code dimension knows.

    .. math:: \frac1k \sum_i \max_j \frac{I(y_i; z_j)}{H(y_i)}

    with the estimates of `minimality`. The bins bound it: a perfect linear code of a factor with more values than bins
    cannot reach 1 (32 values in 15 bins: .778, 40: .730). A factor with one value is left out.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 15 samples.
        factors: Factor indices, integers ``(n, k)``.
        num_bins: Bins per code dimension.

    Returns:
        ``{"sufficiency": value}``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or fewer than 2 bins.

    >>> import numpy as np
    >>> factors = np.repeat([[0, 0], [1, 1], [0, 1], [1, 0]], [30, 30, 10, 10], axis=0)
    >>> round(sufficiency(1.0 * factors, factors)["sufficiency"], 6)
    1.0
    """
    information, entropies = code_information(codes, factors, num_bins, minimum=MIN_SAMPLES)
    varied = entropies > 0
    shares = np.divide(information.max(axis=0), entropies, out=np.zeros_like(entropies), where=varied)
    return {"sufficiency": float(shares[varied].mean()) if varied.any() else 0.0}
