"""Topology of latent traversals: does moving along one latent keep the shape of the decoded cloud?"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.inputs import TooFewSamplesError, as_batch
from disent_metrics.registry import Key, register_score

Divergence = Callable[[NDArray[np.float64], NDArray[np.float64]], Any]
MIN_SAMPLES = 4
QUANTILE = 0.9  # each distance matrix is divided by this quantile of its entries, as TopDis does


def scaled_distances(cloud: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean distances of a cloud ``(n, ...)`` over their 0.9-quantile; a cloud of one point keeps zeros."""
    flat = cloud.reshape(len(cloud), -1)
    squares = (flat**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * flat @ flat.T, 0.0))
    np.fill_diagonal(distances, 0.0)
    scale = np.quantile(distances, QUANTILE)
    return distances / scale if scale > 0 else distances


@register_score(
    "topology",
    title="Topology of traversals",
    keys={"traversal_rtd": Key(False, 0.0, float("inf")), "traversal_rtd_max": Key(False, 0.0, float("inf"))},
    min_samples=MIN_SAMPLES,
    rewards="low: moving along a latent keeps the shape of the decoded cloud",
    source="divergence of Barannikov et al. 2022 (arXiv:2201.00058) on the shifts of Balabin et al. 2024",
    version=2,
)
def topology_score(unmoved: Any, traversals: Any, divergence: Divergence) -> dict[str, float]:
    """Representation topology divergence between a decoded batch and its traversal along each latent.

    A factorised code lets every latent be shifted without changing the shape of the decoded cloud. For each latent
    a batch is decoded before and after a shift of that latent alone; ``divergence`` compares the two clouds by their
    distance matrices, each divided by its 0.9-quantile. The mean and the maximum over latents are returned. (As a
    score, not a loss, this is this suite's own; a latent that the decoder ignores has divergence 0. The divergence
    grows with the number of points, so compare values of equally many.)

    Args:
        unmoved: Decoded batch ``(n, ...)``, at least 4 samples, or one for each latent, of the shape of ``traversals``.
        traversals: The batch decoded after a shift of each latent ``(latents, n, ...)``.
        divergence: Maps two distance matrices ``(n, n)`` of matched points to a number, such as the
            representation topology divergence in ``disent_bench.functional.rtd``.

    Returns:
        ``traversal_rtd`` and ``traversal_rtd_max``, at least 0, lower is better, in units of the scaled distances.

    Raises:
        ValueError: Shapes that do not match, too few samples, NaN or infinity.

    >>> import numpy as np
    >>> cloud = np.random.default_rng(0).normal(size=(8, 5))
    >>> topology_score(cloud, np.stack([cloud + 1.0, cloud * 3.0]), lambda a, b: np.abs(a - b).max().round(9))
    {'traversal_rtd': 0.0, 'traversal_rtd_max': 0.0}
    """
    batches, moved = as_batch(unmoved, "unmoved"), as_batch(traversals, "traversals")
    if moved.shape[1:] == batches.shape:
        batches = np.broadcast_to(batches, moved.shape)
    if moved.shape != batches.shape:
        raise ValueError(
            f"traversals has shape {moved.shape}; (latents, *{batches.shape}) is needed, one shifted batch per latent"
        )
    if moved.shape[1] < MIN_SAMPLES:
        raise TooFewSamplesError(
            f"unmoved has {moved.shape[1]} samples; at least {MIN_SAMPLES} are needed for a loop to appear"
        )
    values = [
        float(divergence(scaled_distances(before), scaled_distances(after)))
        for before, after in zip(batches, moved, strict=True)
    ]
    return {"traversal_rtd": float(np.mean(values)), "traversal_rtd_max": max(values)}
