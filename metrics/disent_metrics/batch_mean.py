"""Scores of a batch of images as torchmetrics classes: averaged over batches and processes."""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from disent_metrics.functional.geometry import Cost, Transport
from disent_metrics.functional.topology import Divergence
from disent_metrics.metric import describe_keys
from disent_metrics.registry import get_score


class BatchMean(Metric):
    """A registered score of one batch, averaged over batches with their sizes as weights.

    Attributes:
        score: Name of the registered score.
        higher_is_better: Common direction of all its numbers.
        bounds: ``(low, high)`` of every number by key.
    """

    score: ClassVar[str] = ""
    bounds: ClassVar[dict[str, tuple[float, float]]] = {}
    is_differentiable = False
    full_state_update = False

    totals: Tensor
    rows: Tensor

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.higher_is_better, cls.bounds = describe_keys(cls.score)

    def __init__(self, settings: dict[str, Any], extra: tuple[Any, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        self.extra = extra
        size = len(get_score(self.score).keys)
        self.add_state("totals", default=torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("rows", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, images: Tensor, *arrays: Tensor) -> None:
        """Score one batch; the arguments are the arrays of the function."""
        score = get_score(self.score)
        numbers = score.function(images, *arrays, *self.extra, **self.settings)
        self.totals += len(images) * torch.tensor([numbers[key] for key in score.keys], device=self.device)
        self.rows += len(images)

    def compute(self) -> dict[str, Tensor]:
        """The score's numbers as scalar tensors.

        Raises:
            ValueError: Nothing was scored.
        """
        if self.rows == 0:
            raise ValueError(f"{type(self).__name__} has seen no batch; call update first")
        means = self.totals / self.rows
        return dict(zip(get_score(self.score).keys, means.unbind(), strict=True))


class ReconstructionError(BatchMean):
    """Mean squared reconstruction error per pixel; see ``disent_metrics.functional.reconstruction_error``.

    >>> metric = ReconstructionError()
    >>> metric.update(torch.zeros(2, 3), torch.full((2, 3), 0.5))
    >>> metric.compute()
    {'reconstruction_mse': tensor(0.2500, dtype=torch.float64)}
    """

    score = "reconstruction"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__({}, **kwargs)


class TraversalTopology(BatchMean):
    """Topology divergence of latent traversals; see ``disent_metrics.functional.topology_score``.

    >>> metric = TraversalTopology(lambda a, b: abs(a - b).max().round(6))
    >>> cloud = torch.rand(8, 5, generator=torch.manual_seed(0))
    >>> metric.update(cloud, torch.stack([cloud + 1.0, 2.0 * cloud]))
    >>> metric.compute()["traversal_rtd_max"]
    tensor(0., dtype=torch.float64)
    """

    score = "topology"

    def __init__(self, divergence: Divergence, **kwargs: Any) -> None:
        super().__init__({}, (divergence,), **kwargs)


class Geometry(BatchMean):
    """Distortion and Gromov-Monge gap of encoder and decoder; see ``disent_metrics.functional.geometry_score``.

    >>> metric = Geometry(lambda a, b: 0.0)
    >>> cloud = torch.rand(8, 5, generator=torch.manual_seed(0))
    >>> metric.update(cloud, -cloud, cloud)
    >>> metric.compute()["decoder_distortion"] < 1e-12
    tensor(True)
    """

    score = "geometry"

    def __init__(self, gromov_wasserstein: Transport, *, cost: Cost = "cosine", **kwargs: Any) -> None:
        super().__init__({"cost": cost}, (gromov_wasserstein,), **kwargs)
