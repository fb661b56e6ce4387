"""InfoMEC: modularity, explicitness and compactness from normalised mutual information."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.information import factor_entropies, mutual_information, ranks
from disent_metrics.estimators.logistic import fit_logistic
from disent_metrics.estimators.nearest_neighbours import neighbour_information
from disent_metrics.inputs import Codes, Factors, TooFewSamplesError, check_pair
from disent_metrics.registry import Key, register_score

MIN_SAMPLES = 100
ACTIVE_SHARE = 1 / 20  # a continuous code is active if its range exceeds this share of the largest range


def _normalised_information(
    codes: Codes, factors: Factors, discrete: bool, neighbours: int, seed: int
) -> NDArray[np.float64]:
    """Mutual information over the factor's entropy ``(d, k)``."""
    labels = ranks(factors)
    columns = ranks(codes).T if discrete else codes.T

    def estimate(column: NDArray[Any], label: NDArray[np.int64]) -> float:
        if discrete:
            return mutual_information(column, label)
        return neighbour_information(column, label, neighbours=neighbours, seed=seed)

    table = np.array([[estimate(column, label) for label in labels.T] for column in columns])
    if not np.isfinite(table).all():
        raise TooFewSamplesError("no class has two samples in one of the factors, so that no neighbours can be counted")
    return table / factor_entropies(factors)


def _dominance(table: NDArray[np.float64]) -> float:
    """Mean over rows of largest share, rescaled so that equal shares give 0 and a single non-zero entry gives 1."""
    width = table.shape[1]
    if width == 1:
        return 1.0
    total = table.sum(axis=1)
    share = np.divide(table.max(axis=1), total, out=np.full(len(table), 1 / width), where=total > 0)
    return float((share.mean() - 1 / width) / (1 - 1 / width))


def _linear_information(codes: Codes, factors: Factors, discrete: bool) -> float:
    """Share of the factors' uniform entropy that balanced logistic regressions on all codes explain."""
    from sklearn.metrics import log_loss
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    inputs = (OneHotEncoder() if discrete else StandardScaler()).fit_transform(codes)
    explained = []
    for labels in factors.T:
        model = fit_logistic(inputs, labels, C=np.inf, class_weight="balanced")
        loss = log_loss(labels, model.predict_proba(inputs), labels=model.classes_)
        explained.append(1.0 - loss / np.log(len(model.classes_)))
    return float(np.mean(explained))


@register_score(
    "info_mec",
    title="InfoMEC",
    keys={"info_m": Key(), "info_e": Key(low=-1.0), "info_c": Key()},
    min_samples=MIN_SAMPLES,
    rewards="M: a code serves one factor; E: all codes predict factors linearly; C: a factor is served by one code",
    source="Hsu et al. 2023 (arXiv:2305.18378), the authors' latent_quantization code",
)
def info_mec(
    codes: Any, factors: Any, *, discrete_codes: bool = False, num_neighbors: int = 10, seed: int = 0
) -> dict[str, float]:
    r"""InfoM, InfoE and InfoC of Hsu et al.

    With the normalised information :math:`N_{ij} = I(c_i; v_j) / H(v_j)` over active code dimensions,

    .. math:: \mathrm{InfoM} = \frac{\left\langle \max_j N_{ij} / \sum_j N_{ij} \right\rangle_i - 1/k}{1 - 1/k}, \qquad
              \mathrm{InfoC} = \frac{\left\langle \max_i N_{ij} / \sum_i N_{ij} \right\rangle_j - 1/a}{1 - 1/a}

    with a active dimensions, and
    :math:`\mathrm{InfoE} = \langle 1 - \mathrm{CE}_j / \log K_j \rangle_j` where :math:`\mathrm{CE}_j` is the
    cross-entropy of an unregularised, class-balanced logistic regression from all dimensions, on its training data
    (at most 100 iterations; :math:`\log K_j` is that of the same model without inputs). Mutual information is
    estimated from nearest neighbours for continuous codes and by counting for discrete ones. A continuous dimension
    is active if its range exceeds 1/20 of the largest range, a discrete one if it varies. Without an active
    dimension all three are 0; rows without information count as evenly spread. (The authors' later Tripod code
    prunes by inter-quartile range instead and gives other values.)

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 100 samples.
        factors: Factor indices, integers ``(n, k)``.
        discrete_codes: Whether code values are classes.
        num_neighbors: Neighbours of the estimate for continuous codes.
        seed: Seed of the noise that separates equal values.

    Returns:
        ``info_m``, ``info_e`` and ``info_c``, at most 1, higher is better; ``info_e`` can fall slightly below 0.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or no neighbour.

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(144), (3, 4, 12)), axis=1)[:, :2]
    >>> {key: round(value, 3) for key, value in info_mec(factors, factors, discrete_codes=True).items()}
    {'info_m': 1.0, 'info_e': 1.0, 'info_c': 1.0}

    Source: latent_quantization ``disentangle/metrics/infomec.py``.
    """
    checked, labels = check_pair(codes, factors, minimum=MIN_SAMPLES)
    if num_neighbors < 1:
        raise ValueError(f"num_neighbors is {num_neighbors}; a positive number is needed")
    spread = np.ptp(checked, axis=0)
    active = spread > (0.0 if discrete_codes else spread.max() * ACTIVE_SHARE)
    if not active.any():
        return {"info_m": 0.0, "info_e": 0.0, "info_c": 0.0}
    table = _normalised_information(checked[:, active], labels, discrete_codes, num_neighbors, seed)
    return {
        "info_m": _dominance(table),
        "info_e": _linear_information(checked, labels, discrete_codes),
        "info_c": _dominance(table.T),
    }
