"""The torchmetrics side: collect codes and factors over batches and processes, then call the pure
function."""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from disent_metrics.catalogue import get_score
from disent_metrics.encode import GridCodes
from disent_metrics.estimators.information import ranks
from disent_metrics.inputs import as_factors, check_pair
from disent_metrics.splitting import hold_out


def describe_keys(score: str) -> tuple[bool | None, dict[str, tuple[float, float]]]:
    """Common direction of a score's numbers (None if they differ), and the bounds of each."""
    keys = get_score(score).keys
    directions = {key.higher_is_better for key in keys.values()}
    common = directions.pop() if len(directions) == 1 else None
    return common, {name: (key.low, key.high) for name, key in keys.items()}


class CodesMetric(Metric):
    """A registered score over everything that ``update`` saw.

    A subclass names its score; its constructor takes the function's keyword settings, with the same defaults, and the
    options of ``torchmetrics.Metric``. ``compute`` returns a dictionary of scalar tensors. Processes merge by
    concatenation.

    Attributes:
        score: Name of the registered score.
        higher_is_better: Common direction of all its numbers, None if they differ.
        bounds: ``(low, high)`` of every number by key.
    """

    score: ClassVar[str] = ""
    bounds: ClassVar[dict[str, tuple[float, float]]] = {}
    is_differentiable = False
    full_state_update = False

    codes: list[Tensor]
    factors: list[Tensor]
    test_codes: list[Tensor]
    test_factors: list[Tensor]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.score:
            return
        cls.higher_is_better, cls.bounds = describe_keys(cls.score)

    def __init__(self, **options: Any) -> None:
        settings = {name: options.pop(name, value) for name, value in get_score(self.score).settings().items()}
        super().__init__(**options)
        self.settings = settings
        for name in ("codes", "factors", "test_codes", "test_factors"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, codes: Tensor, factors: Tensor, *, test: bool = False) -> None:
        """Collect a batch of codes ``(n, d)`` and factor indices ``(n, k)``; ``test`` marks held-out rows."""
        (self.test_codes if test else self.codes).append(codes.detach())
        (self.test_factors if test else self.factors).append(factors)

    def compute(self) -> dict[str, Tensor]:
        """The score's numbers as scalar tensors.

        Raises:
            ValueError: Nothing was collected, or the score refuses the data.
        """
        if len(self.codes) == 0:
            raise ValueError(f"{type(self).__name__} has seen no codes; call update(codes, factors) first")
        numbers = get_score(self.score).function(*self._arguments(), **self.settings)
        return {key: torch.tensor(value, device=self.device) for key, value in numbers.items()}

    def _arguments(self) -> tuple[Any, ...]:
        """Positional arguments of the function."""
        return dim_zero_cat(self.codes), dim_zero_cat(self.factors)


class SplitMetric(CodesMetric):
    """A score that trains a predictor: rows updated with ``test=True`` are held out.

    If there are none, a random third of the rows is (the same third for the same number of rows).
    """

    def _arguments(self) -> tuple[Any, ...]:
        codes, factors = super()._arguments()
        if len(self.test_codes) > 0:
            return codes, factors, dim_zero_cat(self.test_codes), dim_zero_cat(self.test_factors)
        return tuple(hold_out(*check_pair(codes, factors, minimum=3)))


class GridMetric(CodesMetric):
    """A score that intervenes on factors: ``update`` must have seen every point of the factor grid once.

    ``factor_sizes`` are read off the collected factors.
    """

    def _arguments(self) -> tuple[Any, ...]:
        codes, factors = super()._arguments()
        labels = ranks(as_factors(factors))
        sizes = tuple(labels.max(axis=0) + 1)
        return GridCodes.from_arrays(codes, labels, sizes), sizes


class UnlabelledMetric(CodesMetric):
    """A score of codes alone; factors may be given and are not used."""

    def update(self, codes: Tensor, factors: Tensor | None = None) -> None:  # type: ignore[override]
        """Collect a batch of codes ``(n, d)``."""
        self.codes.append(codes.detach())

    def _arguments(self) -> tuple[Any, ...]:
        return (dim_zero_cat(self.codes),)


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
