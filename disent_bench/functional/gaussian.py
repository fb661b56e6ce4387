"""Closed forms and minibatch estimates for diagonal Gaussian posteriors."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def kl_to_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, 1)) of every latent, in nats, shaped like ``mean`` (Kingma & Welling 2014)."""
    return 0.5 * (mean.square() + logvar.exp() - logvar - 1.0)


def pairwise_log_density(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Log-density of every sample under every posterior, per latent.

    Args:
        z: samples, shape ``(n, d)``.
        mean: posterior means, shape ``(m, d)``.
        logvar: posterior log-variances, shape ``(m, d)``.

    Returns:
        ``log N(z_il; mean_jl, exp(logvar_jl))`` in nats, shape ``(n, m, d)``.
    """
    squared = (z[:, None] - mean[None]).square() * torch.exp(-logvar)[None]
    return -0.5 * (squared + logvar[None] + math.log(2 * math.pi))


def total_correlation(z: Tensor, mean: Tensor, logvar: Tensor, n_train: int) -> Tensor:
    """KL(q(z) || prod_l q(z_l)) by minibatch weighted sampling, in nats (Chen et al. 2018, eq. S3).

    ``log q(z_i)`` is estimated by ``logsumexp_j log q(z_i|x_j) - log(b n)`` over the batch, and each marginal likewise.
    The estimate is biased by the constants ``(d - 1) log(b n)`` of the weighting, which carry no gradient;
    disentanglement_lib leaves them out.

    Args:
        z: posterior samples, shape ``(b, d)``.
        mean: posterior means, shape ``(b, d)``.
        logvar: posterior log-variances, shape ``(b, d)``.
        n_train: number ``n`` of images in the training set.

    Returns:
        A scalar; gradients flow through ``z``, ``mean`` and ``logvar`` of all pairs.
    """
    log_density = pairwise_log_density(z, mean, logvar)
    constant = math.log(z.shape[0] * n_train)
    joint = log_density.sum(dim=2).logsumexp(dim=1) - constant
    marginals = (log_density.logsumexp(dim=1) - constant).sum(dim=1)
    return (joint - marginals).mean()
