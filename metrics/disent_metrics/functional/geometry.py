"""Geometry of encoder and decoder: distortion and Gromov-Monge gap."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from disent_metrics.inputs import TooFewSamplesError, as_batch
from disent_metrics.registry import Key, register_score, unknown

Cost = Literal["cosine", "scaled_sqeuclidean"]
Transport = Callable[[NDArray[np.float64], NDArray[np.float64]], Any]
MIN_SAMPLES = 2
LOWER = Key(False, 0.0, float("inf"))
GAP = Key(False, float("-inf"), float("inf"))


def cost_matrix(cloud: NDArray[np.float64], cost: Cost) -> NDArray[np.float64]:
    """Costs ``(n, n)`` inside a cloud ``(n, ...)``: one minus the cosine, or squared distances over their mean.

    Raises:
        ValueError: Unknown cost.
    """
    flat = cloud.reshape(len(cloud), -1)
    if cost == "cosine":
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        unit = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
        return 1.0 - unit @ unit.T
    if cost == "scaled_sqeuclidean":
        squares = (flat**2).sum(axis=1)
        costs = np.maximum(squares[:, None] + squares - 2 * flat @ flat.T, 0.0)
        np.fill_diagonal(costs, 0.0)
        return costs / costs.mean() if costs.mean() > 0 else costs
    raise ValueError(unknown("cost", str(cost), ("cosine", "scaled_sqeuclidean")))


@register_score(
    "geometry",
    title="Distortion and Gromov-Monge gap",
    keys={"encoder_distortion": LOWER, "encoder_gap": GAP, "decoder_distortion": LOWER, "decoder_gap": GAP},
    min_samples=MIN_SAMPLES,
    rewards="low: encoder and decoder keep distances (or angles), as far as the two clouds allow",
    source="Uscidda et al. 2024 (arXiv:2407.07829)",
)
def geometry_score(
    points: Any, latents: Any, decoded: Any, gromov_wasserstein: Transport, *, cost: Cost = "cosine"
) -> dict[str, float]:
    r"""Distortion and Gromov-Monge gap of an encoder and a decoder on one batch.

    For a map T on n points with costs c inside both clouds,

    .. math:: \mathrm{DST} = \frac{1}{2 n^2} \sum_{ij} \left(c(x_i, x_j) - c(T x_i, T x_j)\right)^2, \qquad
              \mathrm{GMG} = \mathrm{DST} - \tfrac12 \mathrm{GW}

    with GW the Gromov-Wasserstein cost between the two clouds. The encoder maps images to codes, the decoder codes
    to decoded images. With an entropic or local solver the gap may be slightly negative.

    Args:
        points: Batch of images ``(n, ...)``, at least 2 samples.
        latents: Their codes ``(n, d)``.
        decoded: The codes decoded ``(n, ...)``.
        gromov_wasserstein: Maps two cost matrices ``(n, n)`` to the least
            :math:`\sum_{ijkl} (a_{ik} - b_{jl})^2 P_{ij} P_{kl}` over couplings of uniform weights.
        cost: ``"cosine"`` or ``"scaled_sqeuclidean"`` (squared distances over their mean).

    Returns:
        ``encoder_distortion``, ``encoder_gap``, ``decoder_distortion`` and ``decoder_gap``; lower is better.

    Raises:
        ValueError: Numbers of rows that differ, NaN or infinity, or an unknown cost.

    >>> import numpy as np
    >>> cloud = np.random.default_rng(0).normal(size=(6, 3))
    >>> turned = cloud[:, ::-1]
    >>> sorted({abs(round(v, 9)) for v in geometry_score(cloud, turned, cloud, lambda a, b: 0.0).values()})
    [0.0]
    """
    clouds = [as_batch(a, name) for a, name in ((points, "points"), (latents, "latents"), (decoded, "decoded"))]
    counts = [len(cloud) for cloud in clouds]
    if len(set(counts)) > 1 or counts[0] < MIN_SAMPLES:
        kind = ValueError if len(set(counts)) > 1 else TooFewSamplesError
        raise kind(
            f"points, latents and decoded have {counts} rows; one row per sample, at least {MIN_SAMPLES}, is needed"
        )
    of_images, of_codes, of_decoded = (cost_matrix(cloud, cost) for cloud in clouds)
    numbers = {}
    for name, a, b in (("encoder", of_images, of_codes), ("decoder", of_codes, of_decoded)):
        distortion = float(0.5 * np.mean((a - b) ** 2))
        numbers[f"{name}_distortion"] = distortion
        numbers[f"{name}_gap"] = distortion - 0.5 * float(gromov_wasserstein(a, b))
    return numbers
