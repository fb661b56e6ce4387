"""What every bottleneck promises."""

from __future__ import annotations

import torch

from disent_bench.contracts.contract import contract, require
from disent_bench.registry import BOTTLENECKS


@contract("bottleneck")
def settings_rebuild_it(name: str) -> None:
    """Its settings rebuild it."""
    built = BOTTLENECKS[name].factory()
    again = BOTTLENECKS[name].factory(**built.settings())
    require(again.settings() == built.settings(), "a bottleneck built from its settings has others")


@contract("bottleneck")
def codes_are_finite(name: str) -> None:
    """Its codes of features are finite, one row an image."""
    torch.manual_seed(0)
    built = BOTTLENECKS[name].factory()
    built.setup((1, 64, 64), 10)
    codes = built.eval().encode(torch.randn(6, built.num_features(10)))
    require(codes.ndim == 2 and len(codes) == 6, f"codes of 6 images have shape {tuple(codes.shape)}")
    require(torch.isfinite(codes).all(), "codes are not finite")
