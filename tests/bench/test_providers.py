"""What scores of images are given."""

from __future__ import annotations

from pathlib import Path

import disent_datasets
import numpy as np
import pytest
import torch

from disent_bench.runs.callbacks.providers import POINTS, image_providers


class Coordinates:
    """Codes that are pixels of the image, the first ``constant`` of them made constant, decoded by repeating them."""

    device = torch.device("cpu")

    def __init__(self, dim: int, constant: int) -> None:
        self.dim, self.constant = dim, constant
        self.mix = torch.randn(64 * 64, dim, generator=torch.Generator().manual_seed(0))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        codes = images.flatten(1) @ self.mix
        codes[:, : self.constant] = 3.0
        return codes

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return codes[:, None, None, :].repeat(1, 1, 2, 1)


@pytest.mark.parametrize("dim", [2, 30])
def test_every_model_is_traversed_on_equally_many_points(dim: int, data_dir: Path) -> None:
    grid = disent_datasets.load("toy_grid", data_dir=data_dir)
    given = image_providers(Coordinates(dim, constant=1), grid, seed=0)
    unmoved, moved = given["unmoved"](), given["traversals"]()
    assert unmoved.shape == moved.shape == (dim - 1, POINTS, 1, 2, dim)
    for latent in range(dim - 1):
        changed = (unmoved[latent] != moved[latent]).any(axis=(1, 2))
        assert np.array_equal(changed, np.broadcast_to(np.arange(dim) == latent + 1, changed.shape))


def test_constant_codes_have_no_traversal(data_dir: Path) -> None:
    grid = disent_datasets.load("toy_grid", data_dir=data_dir)
    with pytest.raises(ValueError, match="every latent is constant"):
        image_providers(Coordinates(2, constant=2), grid, seed=0)["traversals"]()
