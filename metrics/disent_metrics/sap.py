"""Separated attribute predictability as a torchmetrics class."""

from disent_metrics.metric import SplitMetric


class SAP(SplitMetric):
    """Separated attribute predictability; see ``disent_metrics.functional.sap``.

    >>> import torch
    >>> metric = SAP()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(100))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()
    {'sap': tensor(0.5000)}
    """

    score = "sap"
