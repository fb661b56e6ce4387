"""BetaVAE score."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.interventions import ROWS_PER_CALL, Represent, check_positive, check_sizes, in_chunks
from disent_metrics.estimators.logistic import fit_logistic
from disent_metrics.registry import Key, register_score


def _features(
    represent: Represent, sizes: NDArray[np.int64], num_points: int, batch_size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean absolute code differences ``(num_points, d)`` of pairs that share one factor, and that factor."""
    shared = rng.integers(len(sizes), size=num_points)
    features = []
    step = max(1, ROWS_PER_CALL // (2 * batch_size))
    for start in range(0, num_points, step):
        chosen = shared[start : start + step]
        factors = rng.integers(sizes, size=(2, len(chosen), batch_size, len(sizes)))
        rows = np.arange(len(chosen))
        factors[1, rows, :, chosen] = factors[0, rows, :, chosen]
        codes = in_chunks(represent, factors.reshape(-1, len(sizes)))
        first, second = codes.reshape(2, len(chosen), batch_size, -1)
        features.append(np.abs(first - second).mean(axis=1, dtype=np.float64))
    return np.concatenate(features), shared


@register_score(
    "beta_vae",
    title="BetaVAE score",
    keys={"beta_vae_train": Key(), "beta_vae_eval": Key()},
    rewards="which factor two batches share is linearly readable off the code differences; saturates easily",
    source="Higgins et al. 2017 (ICLR), settings of disentanglement_lib",
    by_dimension=False,
)
def beta_vae_score(
    represent: Represent,
    factor_sizes: Sequence[int],
    *,
    num_train: int = 10_000,
    num_eval: int = 5_000,
    batch_size: int = 64,
    seed: int = 0,
) -> dict[str, float]:
    """BetaVAE score: accuracy of a linear classifier that names the factor which two batches share.

    A point: draw a factor uniformly and two batches, copy that factor from the first to the second; its features
    are the mean absolute code differences. A logistic regression (scikit-learn's defaults) learns the factor from
    ``num_train`` points and is judged on ``num_eval`` new ones. Its default solver has changed between
    scikit-learn versions, so old published values may differ.

    Args:
        represent: Maps factor indices, int64 ``(n, k)``, to codes ``(n, d)``; asked for at most 8,192 rows at once.
        factor_sizes: Number of values of each factor ``(k,)``, at least two factors.
        num_train: Points to learn from.
        num_eval: Points to judge on.
        batch_size: Pairs per point.
        seed: Seed of the draws.

    Returns:
        ``beta_vae_train`` and ``beta_vae_eval``, between 0 and 1, higher is better; tables report the latter.

    Raises:
        ValueError: A count or a size that makes no sense, or codes with NaN or infinity.

    >>> beta_vae_score(lambda factors: factors * 1.0, (5, 5), num_train=200, num_eval=100)
    {'beta_vae_train': 1.0, 'beta_vae_eval': 1.0}

    Source: disentanglement_lib ``metrics/beta_vae.py``.
    """
    sizes = check_sizes(factor_sizes)
    if len(sizes) < 2:
        raise ValueError(f"factor_sizes is {factor_sizes}; naming the shared factor needs at least two factors")
    check_positive(num_train=num_train, num_eval=num_eval, batch_size=batch_size)
    rng = np.random.default_rng(seed)
    features, labels = _features(represent, sizes, num_train, batch_size, rng)
    test_features, test_labels = _features(represent, sizes, num_eval, batch_size, rng)
    model = fit_logistic(features, labels, random_state=seed)
    return {
        "beta_vae_train": float(model.score(features, labels)),
        "beta_vae_eval": float(model.score(test_features, test_labels)),
    }
