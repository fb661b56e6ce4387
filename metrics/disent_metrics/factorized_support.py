"""Factorisation of support as a torchmetrics class."""

from disent_metrics.metric import UnlabelledMetric


class FactorizedSupport(UnlabelledMetric):
    """Factorisation of support (FoS); see ``disent_metrics.functional.factorized_support``.

    >>> import torch
    >>> metric = FactorizedSupport()
    >>> metric.update(torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [3.0, 3.0]]))
    >>> metric.compute()
    {'factorized_support': tensor(4.)}
    """

    score = "factorized_support"
