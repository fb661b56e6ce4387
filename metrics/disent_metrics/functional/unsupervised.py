"""Unsupervised scores: how far the code dimensions are from independent."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.information import bin_codes, joint_table, on_accelerator, shared_information
from disent_metrics.inputs import check_codes
from disent_metrics.registry import Key, register_score

MIN_SAMPLES = 20
DISTANCE = Key(False, 0.0, float("inf"))


def _counts_and_covariance(codes: Any, num_bins: int) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """Counts of every pair of binned dimensions, and the covariance of the varying ones, taken where the codes are."""
    if on_accelerator(codes):
        from disent_metrics.estimators.on_device import pair_counts_and_covariance

        found = pair_counts_and_covariance(codes, num_bins, MIN_SAMPLES)
        if found is not None:
            return found
    checked = check_codes(codes, minimum=MIN_SAMPLES)
    binned = bin_codes(checked, num_bins).T
    tables = [joint_table(code, other) for i, code in enumerate(binned) for other in binned[:i]]
    varying = checked[:, checked.max(axis=0) > checked.min(axis=0)].astype(np.float64)
    return tables, np.atleast_2d(np.cov(varying.T))


def gaussian_total_correlation(covariance: NDArray[np.float64]) -> float:
    """Total correlation of a Gaussian in nats; infinite if one dimension is a linear function of others."""
    sign, log_determinant = np.linalg.slogdet(covariance)
    if sign <= 0:
        return float("inf")
    return float(max(0.0, 0.5 * (np.log(np.diag(covariance)).sum() - log_determinant)))


def gaussian_wasserstein_correlation(covariance: NDArray[np.float64]) -> float:
    """Squared 2-Wasserstein distance between a centred Gaussian and the product of its marginals."""
    root = np.sqrt(np.diag(covariance))
    spectrum = np.linalg.eigvalsh(root[:, None] * covariance * root)
    return float(max(0.0, 2 * np.trace(covariance) - 2 * np.sqrt(np.maximum(spectrum, 0.0)).sum()))


@register_score(
    "unsupervised",
    title="Independence of codes",
    keys={
        "gaussian_total_correlation": DISTANCE,
        "gaussian_wasserstein_correlation": DISTANCE,
        "gaussian_wasserstein_correlation_norm": Key(False, 0.0, 2.0),
        "mutual_info_score": DISTANCE,
    },
    min_samples=MIN_SAMPLES,
    rewards="low: code dimensions are (linearly, or pairwise) independent",
    source="Locatello et al. 2019 (arXiv:1811.12359), disentanglement_lib",
)
def unsupervised_scores(codes: Any, *, num_bins: int = 20) -> dict[str, float]:
    r"""Unsupervised scores of Locatello et al.: dependence between code dimensions, no factors needed.

    With the sample covariance :math:`\Sigma` of the codes and :math:`D` its diagonal:

    * Gaussian total correlation :math:`\frac12 (\log\det D - \log\det\Sigma)`, in nats;
    * Gaussian Wasserstein correlation
      :math:`2\operatorname{tr}\Sigma - 2\operatorname{tr}(D^{1/2}\Sigma D^{1/2})^{1/2}`, in squared units of the
      code, and the same divided by :math:`\operatorname{tr}\Sigma`;
    * mutual information between two different binned dimensions, averaged over pairs, in nats.

    Constant dimensions, on which the reference divides by zero or takes the logarithm of zero, are independent of
    everything: they are left out of the Gaussian scores and count as 0 in the mean over pairs. A dimension that
    repeats others linearly makes the total correlation infinite (or, by rounding, very large).
    Tensors on an accelerator are reduced to counts and covariance there.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 20 samples.
        num_bins: Bins per code dimension.

    Returns:
        ``gaussian_total_correlation``, ``gaussian_wasserstein_correlation``,
        ``gaussian_wasserstein_correlation_norm`` and ``mutual_info_score``; at least 0, lower is more independent.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or fewer than 2 bins.

    >>> import numpy as np
    >>> grid = np.stack(np.unravel_index(np.arange(400), (20, 20)), axis=1)
    >>> {key: abs(round(value, 6)) for key, value in unsupervised_scores(grid).items()}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'gaussian_total_correlation': 0.0, 'gaussian_wasserstein_correlation': 0.0,
     'gaussian_wasserstein_correlation_norm': 0.0, 'mutual_info_score': 0.0}

    Source: disentanglement_lib ``metrics/unsupervised_metrics.py``.
    """
    tables, covariance = _counts_and_covariance(codes, num_bins)
    pairs = [shared_information(table) for table in tables]
    total, wasserstein, norm = 0.0, 0.0, 0.0
    if covariance.size:
        total = gaussian_total_correlation(covariance)
        wasserstein = gaussian_wasserstein_correlation(covariance)
        norm = wasserstein / float(np.trace(covariance))
    return {
        "gaussian_total_correlation": total,
        "gaussian_wasserstein_correlation": wasserstein,
        "gaussian_wasserstein_correlation_norm": norm,
        "mutual_info_score": float(np.mean(pairs)) if pairs else 0.0,
    }
