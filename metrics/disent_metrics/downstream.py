"""Downstream accuracy as torchmetrics classes."""

from disent_metrics.metric import SplitMetric


class DownstreamTrees(SplitMetric):
    """Downstream accuracy of boosted trees; see ``disent_metrics.functional.downstream_trees``.

    >>> import torch
    >>> metric = DownstreamTrees()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(250))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()["downstream_trees_full"]
    tensor(1.)
    """

    score = "downstream_trees"


class DownstreamLogistic(SplitMetric):
    """Downstream accuracy of logistic regression; see ``disent_metrics.functional.downstream_logistic``.

    >>> import torch
    >>> metric = DownstreamLogistic()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(250))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()["downstream_logistic_full"]
    tensor(1.)
    """

    score = "downstream_logistic"
