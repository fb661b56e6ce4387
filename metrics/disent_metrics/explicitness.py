"""Explicitness as a torchmetrics class."""

from disent_metrics.metric import SplitMetric


class Explicitness(SplitMetric):
    """Explicitness; see ``disent_metrics.functional.explicitness``.

    >>> import torch
    >>> metric = Explicitness()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(250))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()
    {'explicitness_train': tensor(1.), 'explicitness_test': tensor(1.)}
    """

    score = "explicitness"
