"""Off-diagonal share of a decoder's second derivatives (Hsu et al. 2024, after Peebles et al. 2020)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Activations = Callable[[Tensor], Sequence[Tensor]]

STEP = 0.1
FLOOR = 1e-10


def hessian_directions(codes: Tensor, generator: torch.Generator | None = None, num: int = 2) -> Tensor:
    """Return ``num`` directions of random signs and ``num`` Gaussian ones, ``(2 num, n, d)``, of codes ``(n, d)``."""
    shape = (num, *codes.shape)
    signs = 2.0 * torch.randint(2, shape, generator=generator, device=codes.device).to(codes.dtype) - 1.0
    gaussian = torch.randn(shape, generator=generator, dtype=codes.dtype, device=codes.device)
    return torch.cat([signs, gaussian])


def normalised_hessian_penalty(
    activations: Activations, codes: Tensor, scales: Tensor, directions: Tensor, step: float = STEP
) -> Tensor:
    """Share of mixed second derivatives, ``sum_{i != j} H_ij^2 / sum_ij H_ij^2``, estimated by random directions.

    ``H`` is the Hessian of an activation h in ``codes / scales``. With the second difference along v,
    ``D = (h(z + step v s) - 2 h(z) + h(z - step v s)) / step^2``, the variance of D over random signs is
    ``2 sum_{i != j} H_ij^2`` and over Gaussian v ``2 sum_ij H_ij^2``. Biased variances over the draws at hand; means
    over the units of a layer, their ratio, then the sum over layers and the mean over points.

    Args:
        activations: from codes ``(n, d)`` to layers ``(n, ...)``, each point on its own.
        codes: points, shape ``(n, d)``.
        scales: unit of each latent, shape ``(d,)``.
        directions: as `hessian_directions` draws them, ``(2 k, n, d)``, k at least 2.
        step: of the differences, in units of ``scales``.

    Returns:
        A pure number; gradients reach the network, ``codes`` and ``scales``.
    """
    count, n = len(directions), len(codes)
    moved = step * directions * scales
    everything = torch.cat([codes[None], codes + moved, codes - moved]).flatten(0, 1)
    total = codes.new_zeros(())
    for layer in activations(everything):
        rows = layer.reshape(1 + 2 * count, n, -1)
        second = (rows[1 : count + 1] - 2.0 * rows[:1] + rows[count + 1 :]) / step**2
        # torch's own variance over so few rows takes ten times as long on a processor
        signs, gaussian = ((part - part.mean(dim=0)).square().mean(dim=(0, 2)) for part in second.chunk(2))
        total = total + (signs / (gaussian + FLOOR)).mean()
    return total
