"""FactorVAE score."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.interventions import ROWS_PER_CALL, Represent, check_positive, check_sizes, in_chunks
from disent_metrics.registry import Key, register_score


class Votes(NamedTuple):
    """Fixed factors of a set of votes, and the active dimension of lowest relative variance for each."""

    factor: NDArray[np.int64]
    dimension: NDArray[np.int64]


def _vote(
    represent: Represent,
    sizes: NDArray[np.int64],
    scale: NDArray[np.float64],
    active: NDArray[np.intp],
    num_votes: int,
    batch_size: int,
    rng: np.random.Generator,
) -> Votes:
    """Draw votes: fix one factor in a batch, take the active dimension whose variance shrinks most."""
    fixed = rng.integers(len(sizes), size=num_votes)
    dimension = np.empty(num_votes, dtype=np.int64)
    step = max(1, ROWS_PER_CALL // batch_size)
    for start in range(0, num_votes, step):
        chosen = fixed[start : start + step]
        factors = rng.integers(sizes, size=(len(chosen), batch_size, len(sizes)))
        rows = np.arange(len(chosen))
        factors[rows, :, chosen] = factors[rows, 0, chosen][:, None]
        codes = in_chunks(represent, factors.reshape(-1, len(sizes))).reshape(len(chosen), batch_size, -1)
        spread = codes[:, :, active].var(axis=1, ddof=1, dtype=np.float64)
        dimension[start : start + step] = (spread / scale[active]).argmin(axis=1)
    return Votes(fixed, dimension)


def _table(votes: Votes, num_factors: int, num_dimensions: int) -> NDArray[np.int64]:
    """Counts ``(k, active)`` of votes by fixed factor and chosen dimension."""
    table = np.zeros((num_factors, num_dimensions), dtype=np.int64)
    np.add.at(table, (votes.factor, votes.dimension), 1)
    return table


@register_score(
    "factor_vae",
    title="FactorVAE score",
    keys={"factor_vae_train": Key(), "factor_vae_eval": Key()},
    rewards="fixing a factor freezes one code dimension, a different one for each factor",
    source="Kim & Mnih 2018 (arXiv:1802.05983), settings of disentanglement_lib",
)
def factor_vae_score(
    represent: Represent,
    factor_sizes: Sequence[int],
    *,
    num_train: int = 10_000,
    num_eval: int = 5_000,
    batch_size: int = 64,
    num_variance: int = 10_000,
    prune_std: float = 0.05,
    seed: int = 0,
) -> dict[str, float]:
    r"""FactorVAE score: accuracy of the majority vote from the least varying dimension to the fixed factor.

    1. Global variances :math:`s_d^2` (ddof 1) from ``num_variance`` samples; dimensions with
       :math:`s_d` below ``prune_std``, or constant, are inactive.
    2. A vote: draw a factor k and ``batch_size`` samples that share one value of k; the vote is
       :math:`\arg\min_d \widehat{\mathrm{Var}}_d / s_d^2` over active dimensions.
    3. Each dimension is assigned the factor that most of its ``num_train`` votes came from; the score is the
       accuracy of that assignment on the training votes and on ``num_eval`` new ones.

    Without an active dimension both are 0.

    Args:
        represent: Maps factor indices, int64 ``(n, k)``, to codes ``(n, d)``; asked for at most 8,192 rows at
            a time.
        factor_sizes: Number of values of each factor ``(k,)``.
        num_train: Votes that the assignment is learnt from.
        num_eval: Votes that it is judged on.
        batch_size: Samples per vote, at least 2.
        num_variance: Samples for the global variances.
        prune_std: Smallest standard deviation of an active dimension, in units of the code.
        seed: Seed of the draws.

    Returns:
        ``factor_vae_train`` and ``factor_vae_eval``, between 0 and 1, higher is better; tables report the
        latter.

    Raises:
        ValueError: A count or a size that makes no sense, or codes with NaN or infinity.

    >>> factor_vae_score(lambda factors: factors * 1.0, (3, 4), num_train=50, num_eval=20, num_variance=100)
    {'factor_vae_train': 1.0, 'factor_vae_eval': 1.0}

    Source: disentanglement_lib ``metrics/factor_vae.py`` and ``unsupervised_study_v1/metric_configs``.
    """
    sizes = check_sizes(factor_sizes)
    check_positive(num_train=num_train, num_eval=num_eval)
    if min(batch_size, num_variance) < 2:
        raise ValueError(f"batch_size is {batch_size} and num_variance {num_variance}; a variance needs at least 2")
    rng = np.random.default_rng(seed)
    sample = in_chunks(represent, rng.integers(sizes, size=(num_variance, len(sizes))))
    scale = sample.var(axis=0, ddof=1, dtype=np.float64)
    active = np.flatnonzero((scale > 0) & (np.sqrt(scale) >= prune_std))
    if len(active) == 0:
        return {"factor_vae_train": 0.0, "factor_vae_eval": 0.0}
    train, held_out = (
        _table(_vote(represent, sizes, scale, active, count, batch_size, rng), len(sizes), len(active))
        for count in (num_train, num_eval)
    )
    majority = train.argmax(axis=0)
    dimensions = np.arange(len(active))
    return {
        "factor_vae_train": float(train[majority, dimensions].sum() / num_train),
        "factor_vae_eval": float(held_out[majority, dimensions].sum() / num_eval),
    }
