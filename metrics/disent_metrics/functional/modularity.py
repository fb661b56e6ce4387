"""Modularity."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.information import code_information
from disent_metrics.registry import Key, register_score

MIN_SAMPLES = 20


def code_modularity(information: NDArray[np.float64]) -> NDArray[np.float64]:
    """Modularity of each code dimension from mutual information ``(d, k)``; 0 for one that knows nothing."""
    squared = information**2
    top = squared.max(axis=1)
    others = max(1, information.shape[1] - 1)
    rest = np.divide(squared.sum(axis=1) - top, top * others, out=np.ones_like(top), where=top > 0)
    return 1.0 - rest


@register_score(
    "modularity",
    title="Modularity",
    keys={"modularity": Key()},
    min_samples=MIN_SAMPLES,
    rewards="a code dimension knows one factor only; dead dimensions count as 0",
    source="Ridgeway & Mozer 2018 (arXiv:1802.05312), disentanglement_lib",
)
def modularity(codes: Any, factors: Any, *, num_bins: int = 20) -> dict[str, float]:
    r"""Modularity with histogram estimates of mutual information.

    .. math:: \frac1d \sum_i \left(1 - \frac{\sum_{j \neq j_i} I(c_i; v_j)^2}{(k-1)\, I(c_i; v_{j_i})^2}\right)

    where :math:`j_i` is the factor that code dimension i knows most about. A dimension without any information
    counts as 0, as in the reference, so dead dimensions lower the score; ``active_modularity`` leaves them out.
    With a single factor every informative dimension counts as 1.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 20 samples.
        factors: Factor indices, integers ``(n, k)``.
        num_bins: Bins per code dimension.

    Returns:
        ``{"modularity": value}``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or fewer than 2 bins.

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(400), (20, 20)), axis=1)
    >>> round(modularity(np.column_stack([factors, np.ones(400)]), factors)["modularity"], 6)
    0.666667

    Source: disentanglement_lib ``metrics/modularity_explicitness.py``.
    """
    information, _ = code_information(codes, factors, num_bins, minimum=MIN_SAMPLES)
    return {"modularity": float(code_modularity(information).mean())}


@register_score(
    "active_modularity",
    title="Modularity of active codes",
    keys={"active_modularity": Key()},
    min_samples=MIN_SAMPLES,
    rewards="as modularity, dead dimensions left out",
    source="modularity without its dead dimensions; not comparable with published values",
)
def active_modularity(codes: Any, factors: Any, *, num_bins: int = 20) -> dict[str, float]:
    """Modularity over the code dimensions that carry any information; 0 if none does.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 20 samples.
        factors: Factor indices, integers ``(n, k)``.
        num_bins: Bins per code dimension.

    Returns:
        ``{"active_modularity": value}``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or fewer than 2 bins.

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(400), (20, 20)), axis=1)
    >>> round(active_modularity(np.column_stack([factors, np.ones(400)]), factors)["active_modularity"], 6)
    1.0
    """
    information, _ = code_information(codes, factors, num_bins, minimum=MIN_SAMPLES)
    active = information.max(axis=1) > 0
    value = code_modularity(information[active]).mean() if active.any() else 0.0
    return {"active_modularity": float(value)}
