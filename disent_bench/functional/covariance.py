"""Covariance of the aggregate posterior (Kumar et al. 2018)."""

import torch
from torch import Tensor


def posterior_covariance(mean: Tensor, logvar: Tensor | None = None) -> Tensor:
    """Covariance over a batch of posterior means, or of posterior samples.

    ``Cov_b[mean]``, and, if ``logvar`` is given, ``+ diag(E_b[exp(logvar)])``, which by the law of total covariance is
    that of samples. The biased estimate, divided by the batch size, as in disentanglement_lib.

    Args:
        mean: posterior means, shape ``(b, d)``.
        logvar: posterior log-variances, shape ``(b, d)``; None for the means alone.

    Returns:
        ``(d, d)``, in squared units of the codes.
    """
    centred = mean - mean.mean(dim=0)
    covariance = centred.T @ centred / len(mean)
    return covariance if logvar is None else covariance + torch.diag(logvar.exp().mean(dim=0))
