"""InfoMEC as a torchmetrics class."""

from disent_metrics.metric import CodesMetric


class InfoMEC(CodesMetric):
    """InfoM, InfoE and InfoC; see ``disent_metrics.functional.info_mec``.

    >>> import torch
    >>> metric = InfoMEC(discrete_codes=True)
    >>> grid = torch.cartesian_prod(torch.arange(20), torch.arange(20))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()["info_c"]
    tensor(1.)
    """

    score = "info_mec"
