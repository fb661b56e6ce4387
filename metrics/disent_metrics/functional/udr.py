"""Unsupervised disentanglement ranking (UDR): do models trained alike agree on their latent axes?"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from disent_metrics.inputs import as_codes
from disent_metrics.registry import unknown

Relation = Literal["lasso", "spearman"]
LASSO_PENALTY = 0.1


def _relation(first: NDArray[np.float64], second: NDArray[np.float64], relation: Relation) -> NDArray[np.float64]:
    """Absolute relation ``(d1, d2)`` between the standardised latents of two models."""
    if relation == "lasso":
        from sklearn.linear_model import Lasso

        return np.abs(np.atleast_2d(Lasso(alpha=LASSO_PENALTY).fit(first, second).coef_).T)
    from scipy.stats import rankdata

    ranked = [_standardised(rankdata(codes, axis=0)) for codes in (first, second)]
    return np.abs(ranked[0].T @ ranked[1]) / len(first)


def _standardised(codes: NDArray[Any]) -> NDArray[np.float64]:
    deviation = codes.std(axis=0, dtype=np.float64)
    centred = codes - codes.mean(axis=0, dtype=np.float64)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)


def _one_to_one(relations: NDArray[np.float64]) -> float:
    """Mean of max squared over sum, over columns and over rows, averaged; 0 where nothing is related."""
    if relations.size == 0:
        return 0.0
    parts = []
    for axis in (0, 1):
        total = relations.sum(axis=axis)
        top = relations.max(axis=axis) ** 2
        parts.append(np.divide(top, total, out=np.zeros_like(top), where=total > 0).mean())
    return float(np.mean(parts))


def unsupervised_disentanglement_ranking(
    codes: Sequence[Any],
    *,
    kl: Sequence[Any] | None = None,
    relation: Relation = "lasso",
    kl_threshold: float = 0.01,
) -> NDArray[np.float64]:
    r"""Unsupervised disentanglement ranking (UDR) of Duan et al.: a score per model, without factors.

    For every ordered pair of models the relation :math:`R_{ab}` between latent a of one and b of the other is the
    absolute Lasso coefficient (penalty 0.1) or Spearman correlation of standardised codes of the same images.
    Over informative latents a pair scores
    :math:`\frac12 \left(\langle \max_a R_{ab}^2 / \sum_a R_{ab}\rangle_b + \langle \max_b R_{ab}^2 / \sum_b R_{ab}
    \rangle_a\right)`, and a model the median over its partners.

    Args:
        codes: One representation ``(n, d)`` per model, of the same images in the same order; at least two models.
        kl: Mean KL divergence of every latent ``(d,)`` per model, in nats; None takes every varying latent as
            informative.
        relation: ``"lasso"`` or ``"spearman"``.
        kl_threshold: Latents with a KL divergence up to this are uninformative, in nats. (The reference zeroes
            latents up to a fixed 0.01 before its own threshold applies.)

    Returns:
        Array ``(models,)``; higher means that the model's axes are found again by the others. 1 for Spearman at most.

    Raises:
        ValueError: Fewer than two models, shapes that differ, bad codes, or an unknown relation.

    >>> import numpy as np
    >>> latents = np.random.default_rng(0).normal(size=(1000, 3))
    >>> rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    >>> ranking = unsupervised_disentanglement_ranking([latents, -latents[:, ::-1], latents @ rotation])
    >>> ranking.argmin()
    np.int64(2)

    Source: arXiv:1905.12614; disentanglement_lib ``evaluation/udr/metrics/udr.py``.
    """
    if relation not in ("lasso", "spearman"):
        raise ValueError(unknown("relation", str(relation), ("lasso", "spearman")))
    models = [as_codes(model, f"codes[{i}]") for i, model in enumerate(codes)]
    if len(models) < 2 or len({len(model) for model in models}) > 1:
        raise ValueError("codes must hold at least two models with one row per image, the same images for all")
    informative = [model.max(axis=0) > model.min(axis=0) for model in models]
    if kl is not None:
        if [len(row) for row in kl] != [model.shape[1] for model in models]:
            raise ValueError("kl must hold one number per latent for every model in codes")
        informative = [mask & (np.asarray(row) > kl_threshold) for mask, row in zip(informative, kl, strict=True)]
    scaled = [_standardised(model[:, mask]) for model, mask in zip(models, informative, strict=True)]
    pairs = np.full((len(models), len(models)), np.nan)
    for i, j in np.ndindex(*pairs.shape):
        if i != j:
            both = scaled[i].shape[1] and scaled[j].shape[1]
            pairs[i, j] = _one_to_one(_relation(scaled[i], scaled[j], relation)) if both else 0.0
    return np.nanmedian(pairs, axis=0)
