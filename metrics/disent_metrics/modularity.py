"""Modularity as torchmetrics classes."""

from disent_metrics.metric import CodesMetric


class Modularity(CodesMetric):
    """Modularity; see ``disent_metrics.functional.modularity``.

    >>> import torch
    >>> metric = Modularity()
    >>> grid = torch.cartesian_prod(torch.arange(20), torch.arange(20))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    {'modularity': tensor(1.)}
    """

    score = "modularity"


class ActiveModularity(CodesMetric):
    """Modularity of active code dimensions; see ``disent_metrics.functional.active_modularity``.

    >>> import torch
    >>> metric = ActiveModularity()
    >>> grid = torch.cartesian_prod(torch.arange(20), torch.arange(20))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    {'active_modularity': tensor(1.)}
    """

    score = "active_modularity"
