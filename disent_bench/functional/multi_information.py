"""Multi-information of a batch of latents by kernel density estimates (Hsu et al. 2024)."""

import math

import torch
from torch import Tensor

OFFSET = 1e-6
"""Added to every deviation, as in the authors' code, so that a constant latent has a kernel."""


def deviations(values: Tensor) -> Tensor:
    """Biased standard deviation of each latent over the batch ``(b, d)``, with `OFFSET`; shape ``(d,)``."""
    variances = values.var(dim=0, correction=0)
    return variances.clamp_min(torch.finfo(variances.dtype).tiny).sqrt() + OFFSET


def kernel_multi_information(points: Tensor, scales: Tensor) -> Tensor:
    """``KL(q(z) || prod_k q(z_k))`` with Gaussian kernel density estimates in place of all densities, in nats.

    The joint density's kernel has width ``s_k (4 / (d + 2))^(1 / (d + 4)) b^(-1 / (d + 4))`` along latent k
    (Silverman's rule), each marginal's ``s_k`` itself, as in the authors' code; a point's own kernel counts. So the
    value is not 0 for independent latents: the four corners of a square give .2901.

    Args:
        points: latents, shape ``(b, d)``.
        scales: ``s_k``, positive, shape ``(d,)``.

    Returns:
        The mean over points; gradients reach points and scales.
    """
    b, d = points.shape
    narrow = (4.0 / (d + 2)) ** (1.0 / (d + 4)) * b ** (-1.0 / (d + 4))
    squares = ((points[:, None] - points[None]) / scales).square()
    constant = scales.log() + 0.5 * math.log(2.0 * math.pi)
    joint = (-0.5 * squares / narrow**2 - constant - math.log(narrow)).sum(dim=2).logsumexp(dim=1) - math.log(b)
    marginals = ((-0.5 * squares - constant).logsumexp(dim=1) - math.log(b)).sum(dim=1)
    return (joint - marginals).mean()
