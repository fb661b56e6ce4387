"""Noisy-dSprites [arXiv:1811.12359]: sprites before random noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from disent_datasets.grid import FactorGrid
from disent_datasets.nuisance import Draw
from disent_datasets.request import Request
from disent_datasets.sets.dsprites import register_variant


def draw_noisy(base: FactorGrid, indices: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.uint8]:
    """``min(1, sprite + noise)``, the noise uniform in [0, 1] for each pixel and channel."""
    images = generator.integers(0, 256, (len(indices), 64, 64, 3), dtype=np.uint8)
    white = 255 * base.images(indices)[..., 0]
    for channel in range(3):
        images[..., channel] |= white
    return images


@register_variant("noisy_dsprites", title="Noisy-dSprites", nuisance="noise in the background")
def _noisy(request: Request) -> tuple[Draw, str]:
    return draw_noisy, "noise 1"
