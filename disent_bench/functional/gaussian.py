"""Closed forms and minibatch estimates for diagonal Gaussian posteriors."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Estimator = Literal["weighted", "stratified"]


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


def stratified_log_weights(batch: int, n_train: int, like: Tensor) -> Tensor:
    """Log-weights of a batch's posteriors in an estimate of the aggregate posterior at each of its samples, ``(b, b)``.

    ``1 / n`` for a sample's own posterior, ``(n - m) / (n m)`` for the next in the batch and ``1 / m`` for the others,
    ``m = b - 1``, so that each row sums to 1 (minibatch stratified sampling, Chen et al. 2018, eq. S6). The authors'
    code writes the first two into the wrong entries of its matrix; here they stand where the paper has them.

    Raises:
        ValueError: for a batch of one, or one larger than the training set.
    """
    m = batch - 1
    if not 1 <= m < n_train:
        raise ValueError(f"a stratified estimate takes batches from 2 images up to the training set's, not {batch}")
    rows = torch.arange(batch, device=like.device)
    weights = torch.full((batch, batch), 1.0 / m, dtype=like.dtype, device=like.device)
    weights[rows, (rows + 1) % batch] = (n_train - m) / (n_train * m)
    weights[rows, rows] = 1.0 / n_train
    return weights.log()


class Decomposition(NamedTuple):
    """The three parts of the mean KL to the prior, in nats (Chen et al. 2018, eq. 2); all are Monte Carlo estimates."""

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_wise_kl: Tensor


def decomposition(
    z: Tensor, mean: Tensor, logvar: Tensor, n_train: int, estimator: Estimator = "weighted"
) -> Decomposition:
    """Split the KL into mutual information, total correlation and dimension-wise KL (Chen et al. 2018, eq. 2).

    ``E[log q(z|x) - log q(z)]``, ``E[log q(z) - sum_l log q(z_l)]`` and ``E[sum_l log q(z_l) - log p(z_l)]``, the
    aggregate posterior and its marginals estimated from the batch: ``"weighted"``, each posterior by ``1 / (b n)``
    (minibatch weighted sampling, eq. S3), or ``"stratified"`` (`stratified_log_weights`). With the former the parts
    carry constants, the total correlation ``(d - 1) log(b n)`` of them; they have no gradient, and disentanglement_lib
    leaves them out.

    Args:
        z: posterior samples, shape ``(b, d)``.
        mean: posterior means, shape ``(b, d)``.
        logvar: posterior log-variances, shape ``(b, d)``.
        n_train: number ``n`` of images in the training set.
        estimator: ``"weighted"`` or ``"stratified"``.

    Returns:
        Three scalars; gradients flow through ``z``, ``mean`` and ``logvar`` of all pairs.
    """
    log_density = pairwise_log_density(z, mean, logvar)
    if estimator == "weighted":
        constant = math.log(z.shape[0] * n_train)
        joint = log_density.sum(dim=2).logsumexp(dim=1) - constant
        marginals = (log_density.logsumexp(dim=1) - constant).sum(dim=1)
    else:
        weights = stratified_log_weights(len(z), n_train, z)
        joint = (log_density.sum(dim=2) + weights).logsumexp(dim=1)
        marginals = (log_density + weights[:, :, None]).logsumexp(dim=1).sum(dim=1)
    own = log_density.diagonal().sum(dim=0)
    prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1)
    return Decomposition((own - joint).mean(), (joint - marginals).mean(), (marginals - prior).mean())


def total_correlation(
    z: Tensor, mean: Tensor, logvar: Tensor, n_train: int, estimator: Estimator = "weighted"
) -> Tensor:
    """KL(q(z) || prod_l q(z_l)), in nats: the second part of `decomposition`, with the same arguments."""
    return decomposition(z, mean, logvar, n_train, estimator).total_correlation
