"""FactorVAE score as a torchmetrics class."""

from disent_metrics.metric import GridMetric


class FactorVAEScore(GridMetric):
    """FactorVAE score from the codes of a whole factor grid; see
    ``disent_metrics.functional.factor_vae_score``.

    >>> import torch
    >>> metric = FactorVAEScore(num_train=50, num_eval=20, num_variance=100)
    >>> grid = torch.cartesian_prod(torch.arange(3), torch.arange(4))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    {'factor_vae_train': tensor(1.), 'factor_vae_eval': tensor(1.)}
    """

    score = "factor_vae"
