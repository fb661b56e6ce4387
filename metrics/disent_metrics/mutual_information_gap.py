"""Mutual information gap as a torchmetrics class."""

from disent_metrics.metric import CodesMetric


class MutualInformationGap(CodesMetric):
    """Mutual information gap (MIG); see ``disent_metrics.functional.mutual_information_gap``.

    >>> import torch
    >>> metric = MutualInformationGap()
    >>> grid = torch.cartesian_prod(torch.arange(20), torch.arange(20))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    {'mig': tensor(1.)}
    """

    score = "mig"
