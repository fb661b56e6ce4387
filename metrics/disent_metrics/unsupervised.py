"""Unsupervised scores as a torchmetrics class."""

from disent_metrics.metric import UnlabelledMetric


class UnsupervisedScores(UnlabelledMetric):
    """Dependence between code dimensions; see ``disent_metrics.functional.unsupervised_scores``.

    >>> import torch
    >>> metric = UnsupervisedScores()
    >>> metric.update(torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0)))
    >>> abs(metric.compute()["mutual_info_score"]) < 1e-6
    tensor(True)
    """

    score = "unsupervised"
