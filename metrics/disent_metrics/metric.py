"""The torchmetrics side: collect codes and factors over batches and processes, then call the pure
function."""

import inspect
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat, rank_zero_warn
from torchmetrics.utilities.distributed import gather_all_tensors

from disent_metrics.catalogue import get_score
from disent_metrics.encode import GridCodes
from disent_metrics.estimators.information import ranks
from disent_metrics.inputs import NOT_CLASSES, TooFewSamplesError, check_pair
from disent_metrics.splitting import hold_out

Numbers = Tensor | dict[str, Tensor]

# In the order in which ranks that hold different types agree on one.
TYPES = (torch.int64, torch.float32, torch.float64)


def as_rows(values: Any, name: str, device: torch.device) -> Tensor:
    """A copy ``(n, columns)`` of a tensor, array or list: int64, float32 or float64 on ``device``.

    Raises:
        ValueError: It has not two dimensions, or cannot be a tensor.
    """
    try:
        rows = torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} is no tensor or array of numbers (samples, columns): {error}") from None
    if rows.is_complex():
        raise ValueError(f"{name} has type {rows.dtype}; real numbers are needed")
    if rows.ndim != 2:
        raise ValueError(f"{name} has shape {tuple(rows.shape)}; two dimensions (samples, columns) are needed")
    kind = torch.promote_types(rows.dtype, torch.float32) if rows.is_floating_point() else torch.int64
    return rows.to(device, kind, copy=True)


def concatenated(blocks: list[Tensor] | Tensor, name: str) -> Tensor:
    """All rows of a state; see ``check_columns``."""
    check_columns(blocks, name)
    return dim_zero_cat(blocks)


def check_columns(blocks: Sequence[Tensor] | Tensor, name: str) -> None:
    """Check that all batches of a state have the same number of columns.

    Raises:
        ValueError: They have not.
    """
    widths = sorted({block.shape[1] for block in blocks if block.ndim == 2})
    if len(widths) > 1:
        raise ValueError(f"{name} came with {' and '.join(map(str, widths))} columns; every batch needs the same")


class ScoreMetric(Metric):
    """What all classes here add to ``torchmetrics.Metric``.

    A batch that has no value of its own (too few samples, one class) gives NaN with one warning, and whatever
    ``forward`` or ``compute`` raises, nothing that was collected is lost. List states gather over processes of which
    some hold nothing; ``set_dtype`` leaves whole numbers alone.

    Attributes:
        score: Name of the registered score.
        higher_is_better: Common direction of all its numbers, None if they differ.
        bounds: ``(low, high)`` of every number by key.
        settings: Keyword settings of the function.
    """

    score: ClassVar[str] = ""
    bounds: ClassVar[dict[str, tuple[float, float]]] = {}
    is_differentiable = False
    full_state_update = False

    settings: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.score:
            return
        keys = get_score(cls.score).keys
        directions = {key.higher_is_better for key in keys.values()}
        cls.higher_is_better = directions.pop() if len(directions) == 1 else None
        cls.bounds = {name: (key.low, key.high) for name, key in keys.items()}
        lowest, highest = min(low for low, _ in cls.bounds.values()), max(high for _, high in cls.bounds.values())
        cls.plot_lower_bound = lowest if math.isfinite(lowest) else None
        cls.plot_upper_bound = highest if math.isfinite(highest) else None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._of_batch = self._warned = False

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Collect a batch and return its own value, NaN if it has none."""
        kept, count, on_cpu = self._copy_state_dict(), self._update_count, self.compute_on_cpu
        self._of_batch = True
        try:
            value = super().forward(*args, **kwargs)
            for name in self._list_states():
                check_columns(getattr(self, name), name)
            return value
        except BaseException:
            for name, state in kept.items():
                setattr(self, name, state)
            self._update_count, self.compute_on_cpu = count, on_cpu
            self._computed, self._enable_grad = None, False
            self._to_sync, self._should_unsync = self.sync_on_compute, True
            raise
        finally:
            self._of_batch = False

    def compute(self) -> Numbers:
        """The score over everything collected: a scalar, or one for each key of a score with several numbers.

        NaN, with one warning, where the score does not exist on so few samples.

        Raises:
            ValueError: Nothing was collected, or the score refuses the data.
        """
        expected = ValueError if self._of_batch else TooFewSamplesError
        try:
            numbers = self._numbers()
        except expected as error:
            self._warn_once(f"{type(self).__name__} is NaN: {error}")
            numbers = dict.fromkeys(self.bounds, math.nan)
        tensors = {key: torch.as_tensor(value, device=self.device) for key, value in numbers.items()}
        return tensors if len(tensors) > 1 else next(iter(tensors.values()))

    def _warn_once(self, message: str) -> None:
        if not self._warned:
            rank_zero_warn(message, UserWarning)
        self._warned = True

    @abstractmethod
    def _numbers(self) -> dict[str, Any]:
        """Every number by its key."""

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Figure and axes with a value of ``compute`` or ``forward``, or a list of them; needs matplotlib."""
        return self._plot(val, ax)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"

    def _list_states(self) -> list[str]:
        return [name for name, default in self._defaults.items() if isinstance(default, list)]

    def _sync_dist(
        self, dist_sync_fn: Callable[..., Any] = gather_all_tensors, process_group: Any | None = None
    ) -> None:
        """Gather; the base class hangs where ranks hold other types or numbers of dimensions, as an empty one does."""
        names, group = self._list_states(), process_group or self.process_group
        own = {name: concatenated(getattr(self, name), name) for name in names if len(getattr(self, name)) > 0}
        kinds = torch.tensor([TYPES.index(own[name].dtype) if name in own else 0 for name in names], device=self.device)
        common = torch.stack(dist_sync_fn(kinds, group=group)).amax(0).tolist()
        for name, kind in zip(names, common, strict=True):
            block = own.get(name, torch.zeros(0, 0, device=self.device))
            setattr(self, name, [block.to(TYPES[kind])])

        def with_rows(tensor: Tensor, group: Any) -> list[Tensor]:
            gathered: list[Tensor] = dist_sync_fn(tensor, group=group)
            return [each for each in gathered if each.ndim != 2 or len(each) > 0] or gathered[:1]

        super()._sync_dist(with_rows, process_group=process_group)

    @contextmanager
    def sync_context(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        """As in torchmetrics, and back to the process's own rows if ``compute`` raises."""
        try:
            with super().sync_context(*args, **kwargs):
                yield
        except BaseException:
            if self._is_synced:
                self.unsync()
            raise

    def _apply(self, fn: Callable[..., Any], exclude_state: Sequence[str] = ()) -> torch.nn.Module:
        whole = [name for name in self._defaults if self._dtype_convert and self._holds_integers(name)]
        return super()._apply(fn, exclude_state=[*exclude_state, *whole])

    def _holds_integers(self, name: str) -> bool:
        state = getattr(self, name)
        return any(not block.is_floating_point() for block in (state if isinstance(state, list) else [state]))


class CodesMetric(ScoreMetric):
    """A registered score over everything that ``update`` saw.

    A subclass names its score; its constructor takes the function's keyword settings, with the same defaults, and the
    options of ``torchmetrics.Metric``. Processes merge by concatenation.
    """

    codes: list[Tensor]
    factors: list[Tensor]
    test_codes: list[Tensor]
    test_factors: list[Tensor]
    states: ClassVar[tuple[str, ...]] = ("codes", "factors", "test_codes", "test_factors")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.score:
            return
        parameters = inspect.signature(get_score(cls.score).function).parameters.values()
        settings = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
        options = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD, annotation=Any)
        cls.__signature__ = inspect.Signature([*settings, options])  # type: ignore[attr-defined]

    def __init__(self, **options: Any) -> None:
        settings = {name: options.pop(name, value) for name, value in get_score(self.score).settings().items()}
        super().__init__(**options)
        self.settings = settings
        for name in self.states:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, codes: Any, factors: Any, *, test: bool = False) -> None:
        """Collect a batch of codes ``(n, d)`` and factor indices ``(n, k)``; ``test`` marks held-out rows.

        Raises:
            ValueError: Not as many codes as factors, other columns than before, or factors that are no whole numbers.
        """
        rows, labels = as_rows(codes, "codes", self.device), as_rows(factors, "factors", self.device)
        if len(rows) != len(labels):
            raise ValueError(f"codes has {len(rows)} rows and factors has {len(labels)}; one for each sample is needed")
        if labels.is_floating_point():
            raise ValueError(NOT_CLASSES.format(name="factors", type=labels.dtype))
        self._collect("test_codes" if test else "codes", rows)
        self._collect("test_factors" if test else "factors", labels)

    def _collect(self, name: str, rows: Tensor) -> None:
        blocks = getattr(self, name)
        check_columns([*blocks[:1], rows], name)
        blocks.append(rows)

    def _numbers(self) -> dict[str, Any]:
        if len(self.codes) == 0:
            raise ValueError(f"{type(self).__name__} has seen no codes; call update(codes, factors) first")
        return get_score(self.score).function(*self._arguments(), **self.settings)

    def _all(self, name: str) -> Tensor:
        return concatenated(getattr(self, name), name)

    def _arguments(self) -> tuple[Any, ...]:
        """Positional arguments of the function."""
        return self._all("codes"), self._all("factors")


class SplitMetric(CodesMetric):
    """A score that trains a predictor: rows updated with ``test=True`` are held out.

    If there are none, a random third of the rows is (the same third for the same number of rows).
    """

    def _arguments(self) -> tuple[Any, ...]:
        codes, factors = super()._arguments()
        if len(self.test_codes) > 0:
            return codes, factors, self._all("test_codes"), self._all("test_factors")
        return tuple(hold_out(*check_pair(codes, factors, minimum=3)))


class GridMetric(CodesMetric):
    """A score that intervenes on factors: ``update`` must have seen every point of the factor grid once.

    ``factor_sizes`` are read off the collected factors.
    """

    def _arguments(self) -> tuple[Any, ...]:
        codes, factors = super()._arguments()
        codes, factors = check_pair(codes, factors, minimum=2)
        labels = ranks(factors)
        sizes = tuple(labels.max(axis=0) + 1)
        return GridCodes.from_arrays(codes, labels, sizes), sizes


class UnlabelledMetric(CodesMetric):
    """A score of codes alone; factors may be given and are not used, nor are held-out rows."""

    # States of its own: metrics with equal states share them in a collection.
    states = ("codes",)

    def update(self, codes: Any, factors: Any = None, *, test: bool = False) -> None:
        """Collect a batch of codes ``(n, d)``, unless it is held out (``test``)."""
        if not test:
            self._collect("codes", as_rows(codes, "codes", self.device))

    def _arguments(self) -> tuple[Any, ...]:
        return (self._all("codes"),)


class BatchMean(ScoreMetric):
    """A registered score of one batch, averaged over batches with their sizes as weights."""

    totals: Tensor
    rows: Tensor

    def __init__(self, settings: dict[str, Any], extra: tuple[Any, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        self.extra = extra
        size = len(get_score(self.score).keys)
        self.add_state("totals", default=torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("rows", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, images: Any, *arrays: Any) -> None:
        """Score one batch; the arguments are the arrays of the function."""
        score = get_score(self.score)
        try:
            numbers = score.function(images, *arrays, *self.extra, **self.settings)
        except TooFewSamplesError as error:
            return self._warn_once(f"{type(self).__name__} passes over a batch: {error}")
        self.totals += len(images) * torch.tensor([numbers[key] for key in score.keys], device=self.device)
        self.rows += len(images)

    def _numbers(self) -> dict[str, Any]:
        if self.rows == 0:
            raise ValueError(f"{type(self).__name__} has seen no batch; call update first")
        means = self.totals / self.rows
        return dict(zip(get_score(self.score).keys, means.unbind(), strict=True))
