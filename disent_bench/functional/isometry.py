"""Relaxed distortion of a decoder: how far its pullback metric is from a scaled isometry (Lee et al., ICLR 2022)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap


def relaxed_distortion(
    decode: Callable[[Tensor], Tensor],
    codes: Tensor,
    *,
    num_probes: int = 1,
    directions: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Relaxed distortion of ``H = J^T J``, J the decoder's Jacobian: ``E[tr H^2] / E[tr H]^2`` over a batch.

    At least ``1 / d`` for d latents, with equality exactly for scaled isometries: H the same multiple of the identity
    at all points. Invariant to the scale of the decoder's output. Both traces are estimated with Gaussian probes v
    (Hutchinson): ``tr H ~ |J v|^2``, ``tr H^2 ~ |J^T J v|^2``, one Jacobian-vector and one vector-Jacobian product
    each; no Jacobian is formed. That this is the "Jacobian-based isometry regulariser" of the Gromov-Monge paper is
    inferred.

    Args:
        decode: ``(n, d)`` to ``(n, ...)``, every row on its own (no batch normalisation in training mode); its
            operations must have forward derivatives.
        codes: points, shape ``(n, d)``; gradients reach them and the decoder's parameters.
        num_probes: probes for each point.
        directions: the probes themselves, shape ``(k, n, d)``; ``sqrt(d)`` times a basis makes both traces exact.
        generator: of the probes, on the device of ``codes``.

    Raises:
        ValueError: codes or directions of another shape, or no probes asked for.
    """
    if codes.ndim != 2:
        raise ValueError(f"codes must have shape (n, d), not {tuple(codes.shape)}")
    if num_probes < 1:
        raise ValueError(f"num_probes must be at least 1, not {num_probes}")
    if directions is None:
        shape = (num_probes, *codes.shape)
        directions = torch.randn(shape, generator=generator, dtype=codes.dtype, device=codes.device)
    if directions.ndim != 3 or directions.shape[1:] != codes.shape:
        raise ValueError(f"directions must have shape (k, {codes.shape[0]}, {codes.shape[1]})")

    pull = vjp(decode, codes)[1]

    def norms(direction: Tensor) -> tuple[Tensor, Tensor]:
        pushed = jvp(decode, (codes,), (direction,))[1]
        (returned,) = pull(pushed)
        return pushed.flatten(1).square().sum(1), returned.square().sum(1)

    trace, trace_of_square = vmap(norms, randomness="different")(directions)
    return trace_of_square.mean() / trace.mean().square()
