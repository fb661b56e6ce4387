"""Fixed tensors in float64, made by formulas so that other implementations can be given the same ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from disent_bench.config.method import build_model
from disent_bench.forward import Pass

PIXELS = (1, 8, 8)


def posterior(rows: int = 6) -> dict[str, Tensor]:
    """Means, log-variances and samples of a batch, ``(rows, 3)``."""
    t = torch.arange(3.0 * rows, dtype=torch.float64).reshape(rows, 3)
    mean, logvar = torch.sin(1.3 * t + 0.5), 0.8 * torch.cos(0.7 * t) - 1.0
    return {"mean": mean, "logvar": logvar, "z": mean + torch.exp(0.5 * logvar) * 1.2 * torch.sin(2.1 * t + 1.0)}


def partners(rows: int = 6) -> dict[str, Tensor]:
    """Means and log-variances of the partners of a batch."""
    t = torch.arange(3.0 * rows, dtype=torch.float64).reshape(rows, 3)
    return {"mean": torch.cos(1.1 * t), "logvar": -0.5 + 0.6 * torch.sin(0.9 * t)}


def pictures(rows: int = 6) -> dict[str, Tensor]:
    """Images in [0, 1] and logits."""
    u = torch.arange(rows * 64.0, dtype=torch.float64).reshape(rows, *PIXELS)
    return {"x": 0.5 + 0.5 * torch.sin(0.37 * u), "logits": 2.0 * torch.cos(0.21 * u)}


def cross_entropy(x: Tensor, logits: Tensor) -> Tensor:
    """Sum over pixels, mean over images, by the definition."""
    p = 1.0 / (1.0 + torch.exp(-logits))
    return -(x * torch.log(p) + (1.0 - x) * torch.log(1.0 - p)).sum() / len(x)


def divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL to the prior, summed over latents, mean over images, latent by latent."""
    total = mean.new_zeros(())
    for i, j in product(range(len(mean)), range(mean.shape[1])):
        total = total + 0.5 * (mean[i, j] ** 2 + torch.exp(logvar[i, j]) - logvar[i, j] - 1.0)
    return total / len(mean)


def density(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Normal density of scalars."""
    return torch.exp(-0.5 * (z - mean) ** 2 / torch.exp(logvar)) / torch.sqrt(2.0 * math.pi * torch.exp(logvar))


class Second:
    """A second batch's codes."""

    z = torch.cos(torch.arange(18.0, dtype=torch.float64) * 1.9).reshape(6, 3)


class Fixed:
    """Leaves with gradients, a pass over them, and a method's loss on it; the parts of losses that tests write out."""

    second = Second()
    cross_entropy, divergence, density = staticmethod(cross_entropy), staticmethod(divergence), staticmethod(density)

    def __init__(self, **more: Any) -> None:
        values = {**posterior(), **pictures()}
        self.leaves = {name: value.requires_grad_(name != "x") for name, value in values.items()}
        self.given = {**self.leaves, "n_train": 50, "step": 0, **more}

    def objective(self, methods: Mapping[str, Mapping[str, Any]]) -> Any:
        """Return the objective of a sum, set up in float64."""
        objective = build_model(methods).objective
        objective.setup(PIXELS, 3)
        return objective.double()

    def check(self, loss: Tensor, expected: Tensor) -> None:
        """Compare two losses and their gradients by all leaves."""
        torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-9)
        leaves = [value for name, value in self.leaves.items() if name != "x"]
        ours = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True, retain_graph=True)
        theirs = torch.autograd.grad(expected, leaves, allow_unused=True, materialize_grads=True, retain_graph=True)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)

    def loss(self, objective: Any, **changes: Any) -> Tensor:
        """Return the sum of the weighted terms."""
        parts = objective(Pass(**{**self.given, **changes}), 0)
        return torch.stack([part.weighted for part in parts.values()]).sum()


@pytest.fixture
def fixed() -> Fixed:
    """Fixed tensors of one batch."""
    return Fixed()
