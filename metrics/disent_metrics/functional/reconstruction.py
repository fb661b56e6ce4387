"""Reconstruction error."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.inputs import as_batch
from disent_metrics.registry import Key, register_score


def same_shape(first: NDArray[Any], second: NDArray[Any], names: tuple[str, str]) -> None:
    """Refuse arrays whose shapes differ.

    Raises:
        ValueError: Names both.
    """
    if first.shape != second.shape:
        raise ValueError(f"{names[0]} has shape {first.shape} and {names[1]} {second.shape}; equal shapes are needed")


@register_score(
    "reconstruction",
    title="Reconstruction error",
    keys={"reconstruction_mse": Key(False, 0.0, float("inf"))},
    min_samples=1,
    rewards="low: decoded images equal the originals",
    source="as in Roth et al. 2023 (arXiv:2210.07347)",
)
def reconstruction_error(images: Any, reconstructions: Any) -> dict[str, float]:
    """Mean squared error per pixel and channel between images and their reconstructions.

    Args:
        images: Images ``(n, ...)``, real numbers in [0, 1].
        reconstructions: Decoded images of the same shape (after the sigmoid, not logits).

    Returns:
        ``{"reconstruction_mse": value}``, at least 0, lower is better.

    Raises:
        ValueError: Shapes that differ, or NaN or infinity.

    >>> reconstruction_error([[0.0, 1.0]], [[0.5, 1.0]])
    {'reconstruction_mse': 0.125}
    """
    originals, decoded = as_batch(images, "images"), as_batch(reconstructions, "reconstructions")
    same_shape(originals, decoded, ("images", "reconstructions"))
    return {"reconstruction_mse": float(np.mean((originals - decoded) ** 2))}
