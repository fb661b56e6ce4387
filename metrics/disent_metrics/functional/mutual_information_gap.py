"""Mutual information gap."""

from typing import Any

from disent_metrics.estimators.information import code_information, top_gap
from disent_metrics.registry import Key, register_score

MIN_SAMPLES = 20


@register_score(
    "mig",
    title="Mutual information gap",
    keys={"mig": Key()},
    min_samples=MIN_SAMPLES,
    rewards="one code dimension knows a factor, no second one does",
    source="Chen et al. 2018 (arXiv:1802.04942), estimator of disentanglement_lib",
)
def mutual_information_gap(codes: Any, factors: Any, *, num_bins: int = 20) -> dict[str, float]:
    r"""Mutual information gap (MIG) with histogram estimates.

    .. math:: \frac1k \sum_j \frac{I(c_{(1)}; v_j) - I(c_{(2)}; v_j)}{H(v_j)}

    where :math:`c_{(1)}, c_{(2)}` are the two code dimensions that know most about factor :math:`v_j`. Codes
    are cut into equal-width bins between each dimension's minimum and maximum; plug-in estimates in nats.
    With a single code dimension the second term is 0. Chen et al. use posterior samples and leave dSprites'
    shape out; their numbers are not comparable.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 20 samples.
        factors: Factor indices, integers ``(n, k)``.
        num_bins: Bins per code dimension.

    Returns:
        ``{"mig": value}``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or fewer than 2 bins.

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(400), (20, 20)), axis=1)
    >>> mutual_information_gap(factors * [1.0, -2.0], factors)["mig"]
    1.0

    Source: disentanglement_lib ``metrics/mig.py``.
    """
    information, entropies = code_information(codes, factors, num_bins, minimum=MIN_SAMPLES)
    return {"mig": float((top_gap(information) / entropies).mean())}
