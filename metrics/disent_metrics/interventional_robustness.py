"""Interventional robustness score as a torchmetrics class."""

from disent_metrics.metric import CodesMetric


class InterventionalRobustness(CodesMetric):
    """Interventional robustness score (IRS); see ``disent_metrics.functional.interventional_robustness``.

    >>> import torch
    >>> metric = InterventionalRobustness()
    >>> grid = torch.cartesian_prod(torch.arange(20), torch.arange(20))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    {'irs': tensor(1.)}
    """

    score = "irs"
