"""How far the columns of a decoder's Jacobian are from orthogonal, from Jacobian-vector products (Wei et al. 2021)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp, vmap


def sign_directions(codes: Tensor, num: int, generator: torch.Generator | None = None) -> Tensor:
    """Return ``num`` directions of random signs for each code ``(n, d)``, shape ``(num, n, d)``."""
    shape = (num, *codes.shape)
    return 2.0 * torch.randint(2, shape, generator=generator, device=codes.device).to(codes.dtype) - 1.0


def column_alignment(decode: Callable[[Tensor], Tensor], codes: Tensor, directions: Tensor) -> Tensor:
    """``2 sum_{i != j} G_ij^2 / (tr G)^2`` of ``G = J^T J``, J the Jacobian of ``decode``, estimated over a batch.

    Over random signs v, ``|J v|^2`` has mean ``tr G`` and variance ``2 sum_{i != j} G_ij^2``: it is the same for all v
    exactly if the columns of J are orthogonal. The value is the mean over points of the unbiased variance over the
    directions at hand, divided by the square of the mean, so that it does not depend on the scale of the decoder's
    output. No Jacobian is formed.

    Args:
        decode: ``(n, d)`` to ``(n, ...)``, every row on its own; its operations must have forward derivatives.
        codes: points, shape ``(n, d)``.
        directions: signs, shape ``(k, n, d)``, k at least 2.

    Returns:
        A pure number; gradients reach the decoder and the codes.

    Raises:
        ValueError: for fewer than two directions.
    """
    if len(directions) < 2:
        raise ValueError(f"there are at least 2 directions, not {len(directions)}")

    def squared_norm(direction: Tensor) -> Tensor:
        pushed: Tensor = jvp(decode, (codes,), (direction,))[1]
        return pushed.flatten(1).square().sum(1)

    norms = vmap(squared_norm, randomness="different")(directions)
    return norms.var(dim=0).mean() / norms.mean().square().clamp_min(torch.finfo(norms.dtype).tiny)
