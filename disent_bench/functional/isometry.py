"""Relaxed distortion: how far the Jacobian of a decoder or an encoder is from a scaled isometry (Lee et al. 2022)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

Norms = Callable[[Tensor], tuple[Tensor, Tensor]]


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
    pull = vjp(decode, codes)[1]

    def norms(direction: Tensor) -> tuple[Tensor, Tensor]:
        pushed = jvp(decode, (codes,), (direction,))[1]
        (returned,) = pull(pushed)
        return _squared_norm(pushed), _squared_norm(returned)

    return _ratio_of_traces(norms, _probes(codes, num_probes, directions, generator))


def encoder_relaxed_distortion(
    encode: Callable[[Tensor], Tensor],
    images: Tensor,
    *,
    num_probes: int = 1,
    directions: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Relaxed distortion of ``H = J J^T``, J the encoder's Jacobian: ``E[tr H^2] / E[tr H]^2`` over a batch.

    At least ``1 / d`` for d latents, with equality exactly if H is the same multiple of the identity at all points: the
    encoder projects orthogonally onto its latents, up to a rotation and one scale. ``J^T J`` has the same traces but is
    as large as an image and never a multiple of the identity, so probes v live in latent space (Hutchinson):
    ``tr H ~ |J^T v|^2``, ``tr H^2 ~ |J J^T v|^2``, one vector-Jacobian and one Jacobian-vector product each.

    Lee et al. regularise decoders; this form for an encoder is inferred. Of a decoder's inverse on its image it is the
    same property: if one is a scaled isometry onto the image, so is the other.

    Args:
        encode: ``(n, ...)`` to ``(n, d)``, every row on its own; its operations must have forward derivatives.
        images: points, shape ``(n, ...)``; gradients reach them and the encoder's parameters.
        num_probes: probes for each point.
        directions: the probes themselves, shape ``(k, n, d)``; ``sqrt(d)`` times a basis makes both traces exact.
        generator: of the probes, on the device of ``images``.

    Raises:
        ValueError: codes or directions of another shape, or no probes asked for.
    """
    linearised = vjp(encode, images)
    codes, pull = linearised[0], linearised[1]
    if codes.ndim != 2:
        raise ValueError(f"encode must return codes of shape (n, d), not {tuple(codes.shape)}")

    def norms(direction: Tensor) -> tuple[Tensor, Tensor]:
        (pulled,) = pull(direction)
        returned = jvp(encode, (images,), (pulled,))[1]
        return _squared_norm(pulled), _squared_norm(returned)

    return _ratio_of_traces(norms, _probes(codes, num_probes, directions, generator))


def _squared_norm(rows: Tensor) -> Tensor:
    return rows.flatten(1).square().sum(1)


def _ratio_of_traces(norms: Norms, directions: Tensor) -> Tensor:
    if len(directions) == 1:
        trace, trace_of_square = norms(directions[0])  # a batch of one only costs
    else:
        trace, trace_of_square = vmap(norms, randomness="different")(directions)
    return trace_of_square.mean() / trace.mean().square()


def _probes(codes: Tensor, num_probes: int, directions: Tensor | None, generator: torch.Generator | None) -> Tensor:
    if num_probes < 1:
        raise ValueError(f"num_probes must be at least 1, not {num_probes}")
    if directions is None:
        shape = (num_probes, *codes.shape)
        directions = torch.randn(shape, generator=generator, dtype=codes.dtype, device=codes.device)
    if directions.ndim != 3 or directions.shape[1:] != codes.shape:
        raise ValueError(f"directions must have shape (k, {codes.shape[0]}, {codes.shape[1]})")
    return directions
