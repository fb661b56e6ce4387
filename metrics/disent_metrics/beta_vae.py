"""BetaVAE score as a torchmetrics class."""

from disent_metrics.metric import GridMetric


class BetaVAEScore(GridMetric):
    """BetaVAE score from the codes of a whole factor grid; see ``disent_metrics.functional.beta_vae_score``.

    >>> import torch
    >>> metric = BetaVAEScore(num_train=200, num_eval=100)
    >>> grid = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    {'beta_vae_train': tensor(1.), 'beta_vae_eval': tensor(1.)}
    """

    score = "beta_vae"
