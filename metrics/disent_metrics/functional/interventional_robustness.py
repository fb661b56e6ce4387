"""Interventional robustness score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.information import bin_codes, on_accelerator, ranks
from disent_metrics.inputs import check_pair
from disent_metrics.registry import Key, register_score

MIN_SAMPLES = 20


def _deviations(
    codes: Any, factors: Any, num_bins: int, quantile: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest deviations of the varying dimensions, and their quantiles within values ``(d, k)``, taken where the
    codes are."""
    if on_accelerator(codes):
        from disent_metrics.estimators.on_device import deviations

        found = deviations(codes, factors, num_bins, quantile, MIN_SAMPLES)
        if found is not None:
            return found
    checked, labels = check_pair(codes, factors, minimum=MIN_SAMPLES)
    latents = checked[:, checked.max(axis=0) > checked.min(axis=0)].astype(np.float64)
    spread = np.empty((latents.shape[1], labels.shape[1]))
    for j, factor in enumerate(bin_codes(ranks(labels).astype(np.float64), num_bins).T):
        groups = (latents[factor == value] for value in np.unique(factor))
        within = [np.quantile(np.abs(group - group.mean(axis=0)), quantile, axis=0) for group in groups]
        spread[:, j] = np.mean(within, axis=0)
    return np.abs(latents - latents.mean(axis=0)).max(axis=0), spread


@register_score(
    "irs",
    title="Interventional robustness",
    keys={"irs": Key(low=-1.0)},
    min_samples=MIN_SAMPLES,
    rewards="with one factor held, a code dimension hardly moves whatever the others do",
    source="Suter et al. 2019 (arXiv:1811.00007), disentanglement_lib",
    version=2,
)
def interventional_robustness(
    codes: Any, factors: Any, *, num_bins: int = 20, quantile: float = 0.99
) -> dict[str, float]:
    r"""Interventional robustness score (IRS).

    For a code dimension i and a factor j let :math:`q_{ij}` be the 0.99 quantile of
    :math:`|c_i - \mathbb E[c_i \mid v_j]|` within each value of :math:`v_j`, averaged over values, and
    :math:`m_i = \max |c_i - \mathbb E c_i|`. Then

    .. math:: \mathrm{IRS} = \frac{\sum_i m_i \, \max_j (1 - q_{ij} / m_i)}{\sum_i m_i}.

    As in the reference, factors are cut into equal-width bins first (here of the ranks of their values), which merges
    values of factors with more than ``num_bins``. Constant dimensions are left out; without any other the score is 0.
    Tensors on an accelerator are reduced to these deviations there.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 20 samples.
        factors: Factor indices, integers ``(n, k)``.
        num_bins: Bins per factor.
        quantile: Quantile of the deviations, above 0 and at most 1 (1 is the paper's maximum).

    Returns:
        ``{"irs": value}``, at most 1, higher is better; below 0 only if deviations exceed those from the mean.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or a quantile out of range.

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(100), (10, 10)), axis=1)
    >>> interventional_robustness(factors * 1.0, factors)
    {'irs': 1.0}

    Source: disentanglement_lib ``metrics/irs.py``; its ``num_active_dims`` is a sum of codes and is not returned.
    """
    if not 0.0 < quantile <= 1.0:
        raise ValueError(f"quantile is {quantile}; a number above 0 and at most 1 is needed")
    largest, spread = _deviations(codes, factors, num_bins, quantile)
    if len(largest) == 0:
        return {"irs": 0.0}
    robustness = 1.0 - spread / largest[:, None]
    return {"irs": float(np.average(robustness.max(axis=1), weights=largest))}
