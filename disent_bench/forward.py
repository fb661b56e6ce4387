"""What one forward pass computed, read by every term."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pass:
    """One forward pass of a variational autoencoder over a batch; everything here is computed once.

    Attributes:
        x: images in [0, 1], shape ``(batch, channels, height, width)``.
        mean: posterior means, shape ``(batch, latent)``, float32.
        logvar: posterior log-variances, shape ``(batch, latent)``, float32.
        z: one posterior sample per image, shape ``(batch, latent)``, float32.
        logits: Bernoulli logits of the decoded ``z``, shaped like ``x``; None if the objective needs no decoder.
        decode: the decoder, from latents to float32 logits.
        encode: the encoder, from images to ``(mean, logvar)``.
        latent_norms: L2 norm of the decoder's first-layer weights leaving each latent, shape ``(latent,)``;
            None without a decoder.
        step: number of optimiser steps taken before this pass.
        n_train: number of images in the training set.
        second: the pass over a second, independent batch, if a term asked for it (``needs = {"second"}``).
    """

    x: Tensor
    mean: Tensor
    logvar: Tensor
    z: Tensor
    logits: Tensor | None
    decode: Callable[[Tensor], Tensor]
    encode: Callable[[Tensor], tuple[Tensor, Tensor]]
    latent_norms: Tensor | None
    step: int
    n_train: int
    second: Pass | None = None


def sample_posterior(mean: Tensor, logvar: Tensor) -> Tensor:
    """Draw ``mean + exp(logvar / 2) * noise``, the reparametrised sample [Kingma & Welling 2014]."""
    return mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
