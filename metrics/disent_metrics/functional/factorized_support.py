"""Factorisation of support."""

from typing import Any

import numpy as np

from disent_metrics.estimators.parallel import split_work
from disent_metrics.inputs import check_codes
from disent_metrics.registry import Key, register_score

MIN_SAMPLES = 2


@register_score(
    "factorized_support",
    title="Factorisation of support",
    keys={"factorized_support": Key(False, 0.0, float("inf"))},
    min_samples=MIN_SAMPLES,
    rewards="low: every combination of two code values occurs (support is a product)",
    source="Roth et al. 2023 (arXiv:2210.07347), the authors' FoS",
)
def factorized_support(codes: Any, *, batch_size: int = 128) -> dict[str, float]:
    r"""Factorisation of support (FoS): Hausdorff distance of the codes' support to a product.

    For each batch B of codes in the given order (the last may be smaller), averaged over batches,

    .. math:: \sum_{i < j} \max_{a, b \in B} \min_{c \in B} \left[(a_i - c_i)^2 + (b_j - c_j)^2\right]

    in squared units of the code (codes are not scaled, so scale changes the value).

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 2 samples; their order decides the batches (the authors
            keep that of the data set).
        batch_size: Samples per batch, at least 2.

    Returns:
        ``{"factorized_support": value}``, at least 0, lower is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or a batch of one.

    >>> factorized_support([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    {'factorized_support': 0.0}
    >>> factorized_support([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [3.0, 3.0]])
    {'factorized_support': 4.0}

    Source: disentangling-correlated-factors ``dent/metrics/fos.py``, all pairs.
    """
    from disent_metrics.estimators.support_kernels import sum_over_pairs

    checked = check_codes(codes, minimum=MIN_SAMPLES).astype(np.float64)
    if batch_size < 2:
        raise ValueError(f"batch_size is {batch_size}; recombining needs at least 2 samples")
    totals = np.zeros(-(-len(checked) // batch_size))
    split_work(lambda first, last: sum_over_pairs(checked, batch_size, first, last, totals), len(totals))
    return {"factorized_support": float(totals.mean())}
