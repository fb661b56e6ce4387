"""DCI as a torchmetrics class."""

from disent_metrics.metric import SplitMetric


class DCI(SplitMetric):
    """Disentanglement, completeness and informativeness; see ``disent_metrics.functional.dci``.

    >>> import torch
    >>> metric = DCI()
    >>> grid = torch.cartesian_prod(torch.arange(3), torch.arange(4), torch.arange(12))[:, :2]
    >>> metric.update(grid * 1.0, grid)
    >>> metric.update(grid * 1.0, grid, test=True)
    >>> metric.compute()["dci_informativeness_test"]
    tensor(1.)
    """

    score = "dci"
