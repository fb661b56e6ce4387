"""Images and decodings for the scores that codes alone do not give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from disent_datasets import FactorGrid
from numpy.typing import NDArray
from torch import Tensor

from disent_bench.functional.gromov_wasserstein import distortion, gap_at_plan, gap_plan
from disent_bench.functional.rtd import rtd_loss
from disent_bench.terms.topological import shift_latent

POINTS = 128
CANDIDATES = 1024
SHIFT = 0.125


def image_providers(module: Any, grid: FactorGrid, seed: int) -> Mapping[str, Callable[[], Any]]:
    """Return what scores of images take, by the names of their arguments, for a module with a decoder.

    Args:
        module: offers ``encode`` and ``decode``; without a decoder the mapping is empty.
        grid: the data set.
        seed: chooses the images.
    """
    if not hasattr(module, "decode") or getattr(module, "decoder", ...) is None:
        return {}

    @cache
    @torch.inference_mode()
    def batch() -> tuple[Tensor, Tensor]:
        indices = np.random.default_rng(seed).choice(grid.available, size=CANDIDATES)
        images = torch.from_numpy(grid.images(indices)).permute(0, 3, 1, 2).to(module.device).float() / grid.scale
        return images, module.encode(images)

    @cache
    @torch.inference_mode()
    def decoded(count: int) -> NDArray[np.float32]:
        return _numpy(module.decode(batch()[1][:count]))

    @cache
    @torch.inference_mode()
    def moved() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        # Shifted by 1/8 in CDF units as TopDis does. Each latent has the first points that its own shift leaves in
        # (0, 1), equally many whatever the model, for the divergence grows with them. Constant latents have none.
        codes, before, after = batch()[1], [], []
        for latent in range(codes.shape[1]):
            shifted, valid = _shifted(codes, latent)
            rows = valid.nonzero()[:POINTS, 0]
            if len(rows) == POINTS:
                before.append(_numpy(module.decode(codes[rows])))
                after.append(_numpy(module.decode(shifted[rows])))
        if not before:
            raise ValueError("every latent is constant; there is nothing to traverse")
        return np.stack(before), np.stack(after)

    return {
        "images": lambda: _numpy(batch()[0]),
        "reconstructions": lambda: decoded(CANDIDATES),
        "unmoved": lambda: moved()[0],
        "traversals": lambda: moved()[1],
        "divergence": lambda: _divergence,
        "points": lambda: _numpy(batch()[0][:POINTS]),
        "latents": lambda: _numpy(batch()[1][:POINTS]),
        "decoded": lambda: decoded(POINTS),
        "gromov_wasserstein": lambda: _transport,
    }


def _shifted(codes: Tensor, latent: int) -> tuple[Tensor, Tensor]:
    column = torch.tensor([latent], device=codes.device)
    return shift_latent(codes, column, torch.tensor([SHIFT], device=codes.device))


def _numpy(values: Tensor) -> NDArray[np.float32]:
    return values.float().cpu().numpy()


def _divergence(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(rtd_loss(torch.from_numpy(a), torch.from_numpy(b)))


def _transport(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Least ``sum (a_ik - b_jl)^2 P_ij P_kl`` that the gap's solver finds."""
    first, second = torch.from_numpy(a), torch.from_numpy(b)
    plan = gap_plan(first, second, epsilon=0.01, scale=float(a.mean() * b.mean()))
    return float(2 * (distortion(first, second) - gap_at_plan(first, second, plan)))
