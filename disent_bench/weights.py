"""Weights turn a term's raw value into its contribution to the loss; they may follow a schedule or have memory."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from disent_bench.registry import unknown_name

_KINDS: dict[str, type[Weight]] = {}


class Weight(nn.Module):
    """A coefficient of a term: from the raw value to the weighted one.

    A subclass is a kind of weight, known to configurations by its name in lower case. It keeps every constructor
    argument as an attribute of the same name, and memory in buffers, which checkpoints keep: that is what `settings`
    and a resumed run read. Nothing in ``forward`` asks the device for a value.

    Attributes:
        term: name of the term that is weighed; set by the term.
    """

    term: str = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _KINDS[cls.__name__.lower()] = cls

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted value of ``raw``.

        Args:
            raw: the term's value, a scalar.
            step: number of optimiser steps taken before, an integer scalar on the device of ``raw``.
            last: measurements of the last step, as `disent_bench.forward.Pass` has them.
        """
        raise NotImplementedError

    def measurements(self) -> Mapping[str, Tensor]:
        """Scalars worth logging beside the weighted value, of the latest call; a schedule's or a controller's state."""
        return {}

    @property
    def kind(self) -> str:
        """Name of this weight in a configuration."""
        return type(self).__name__.lower()

    def settings(self) -> float | dict[str, Any]:
        """Return what rebuilds this weight through `make_weight`."""
        own = type(self).__init__ is not nn.Module.__init__  # else its signature names nothing of this class
        names = inspect.signature(type(self)).parameters if own else ()
        return {"kind": self.kind, **{name: getattr(self, name) for name in names}}


class Constant(Weight):
    """``value * raw``."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.value = _finite("value", value)

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:  # noqa: D102
        return self.value * raw

    def settings(self) -> float:  # noqa: D102
        return self.value


class Linear(Weight):
    """``raw`` times a factor that moves linearly from ``first`` to ``last`` during ``steps`` steps, then stays."""

    def __init__(self, first: float, last: float, steps: int) -> None:
        super().__init__()
        self.first, self.last, self.steps = _finite("first", first), _finite("last", last), int(steps)

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:  # noqa: D102
        self._factor = self.first + (self.last - self.first) * _done(step, self.steps, raw.dtype)
        return self._factor * raw

    def measurements(self) -> Mapping[str, Tensor]:
        """The factor."""
        return {"weight": self._factor}


class Capacity(Weight):
    """``gamma * |raw - C|``, C growing linearly from 0 to ``capacity`` nats in ``steps`` (Burgess et al. 2018)."""

    def __init__(self, capacity: float, gamma: float = 1000.0, steps: int = 100_000) -> None:
        super().__init__()
        self.capacity, self.gamma, self.steps = _finite("capacity", capacity), _finite("gamma", gamma), int(steps)

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:  # noqa: D102
        self._capacity = self.capacity * _done(step, self.steps, raw.dtype)
        return self.gamma * (raw - self._capacity).abs()

    def measurements(self) -> Mapping[str, Tensor]:
        """C, in nats."""
        return {"capacity": self._capacity}


class PI(Weight):
    """PI controller of ControlVAE: the factor of ``raw`` steers it towards a growing set-point (Shao et al. 2020).

    With ``e = C - raw``: ``P = kp / (1 + exp(e)) + minimum``, ``I += ki * e`` unless the previous unclamped factor was
    below ``minimum`` (anti-windup), factor ``max(minimum, P + I)``. C starts at ``first`` and grows by ``increment``
    every ``every`` steps up to ``target`` nats. Constants are those of the authors' disentangling scripts.
    """

    integral: Tensor
    previous: Tensor

    def __init__(
        self,
        target: float,
        kp: float = 0.01,
        ki: float = -0.001,
        first: float = 0.5,
        increment: float = 0.15,
        every: int = 5000,
        minimum: float = 1.0,
    ) -> None:
        super().__init__()
        self.target, self.kp, self.ki = _finite("target", target), kp, ki
        if every < 1:
            raise ValueError(f"every is at least 1 step, not {every}")
        self.first, self.increment, self.every, self.minimum = first, increment, every, minimum
        self.register_buffer("integral", torch.zeros(()))
        self.register_buffer("previous", torch.tensor(float(minimum)))

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:  # noqa: D102
        set_point = (self.first + self.increment * (step // self.every)).clamp(max=self.target)
        self._set_point = set_point
        error = set_point - raw.detach()
        proportional = self.kp * torch.sigmoid(-error) + self.minimum
        grow = (self.previous >= self.minimum).to(error.dtype)
        self.integral = self.integral + grow * self.ki * error
        self.previous = proportional + self.integral
        self._factor = self.previous.clamp_min(self.minimum)
        return self._factor * raw

    def measurements(self) -> Mapping[str, Tensor]:
        """The factor, and the set-point C in nats."""
        return {"weight": self._factor, "set_point": self._set_point}


class Share(Weight):
    """A factor that is moved until the term's gradient is ``target`` times as long as the reconstruction's.

    Every ``every`` steps the share is measured (`disent_bench.gradients.gradient_shares`), and the factor of the next
    steps is the present one times ``(target / share)^rate``. It starts at ``first`` and stays where the gradient is 0.

    Args:
        target: of the share, above 0.
        first: the factor before anything was measured.
        rate: 1 goes to the target at once, smaller ones slowly.
        every: steps between two measurements, each of which costs a backward pass for each term.
    """

    factor: Tensor

    def __init__(self, target: float, first: float = 1.0, rate: float = 0.2, every: int = 50) -> None:
        super().__init__()
        self.target, self.first = _finite("target", target), _finite("first", first)
        self.rate, self.every = _finite("rate", rate), int(every)
        if not (self.target > 0 and self.first > 0 and self.rate > 0 and self.every > 0):
            raise ValueError("target, first, rate and every of a share are above 0")
        self.register_buffer("factor", torch.tensor(self.first))

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:  # noqa: D102
        share = last.get(f"{self.term}/gradient_share")
        if share is not None:
            moved = self.factor * (self.target / share.clamp_min(1e-12)) ** self.rate
            self.factor = torch.where(share > 0, moved, self.factor).to(self.factor.dtype)
        return self.factor * raw

    def measurements(self) -> Mapping[str, Tensor]:
        """The factor."""
        return {"weight": self.factor}


class Steered(Weight):
    """``gamma * (raw - C)^power``, C steered by how well an opponent tells two kinds apart (DAVA's capacity).

    Each step C grows by ``rate`` if the accuracy that was measured in the last one is at most .501, falls by ``rate``
    if it is above .51, and stays at most ``capacity``; it starts at 0 and has no lower bound, as in the authors' code
    (Estermann & Wattenhofer 2023). In the first step, before anything was measured, it stays.

    Args:
        measured: name of the accuracy among the last measurements, ``term/measurement``.
    """

    value: Tensor

    def __init__(
        self, measured: str, capacity: float, gamma: float = 500.0, power: int = 4, rate: float = 4e-5
    ) -> None:
        super().__init__()
        self.measured = measured
        self.capacity, self.gamma = _finite("capacity", capacity), _finite("gamma", gamma)
        self.rate, self.power = _finite("rate", rate), int(power)
        self.register_buffer("value", torch.zeros(()))

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:  # noqa: D102
        accuracy = last.get(self.measured)
        if accuracy is not None:
            direction = (accuracy <= 0.501).to(self.value.dtype) - (accuracy > 0.51).to(self.value.dtype)
            self.value = (self.value + self.rate * direction).clamp(max=self.capacity)
        return self.gamma * (raw - self.value) ** self.power

    def measurements(self) -> Mapping[str, Tensor]:
        """C."""
        return {"capacity": self.value}


class Excess(Weight):
    """``raw`` times ``max(0, 100 (a - 1/2))``, a the last step's accuracy (Estermann & Wattenhofer 2023, DAVA).

    0 in the first step, before anything was measured.

    Args:
        measured: name of the accuracy among the last measurements, ``term/measurement``.
    """

    def __init__(self, measured: str) -> None:
        super().__init__()
        self.measured = measured

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:  # noqa: D102
        accuracy = last.get(self.measured)
        self._factor = torch.zeros_like(raw) if accuracy is None else (100.0 * (accuracy - 0.5)).clamp_min(0.0)
        return self._factor.detach() * raw

    def measurements(self) -> Mapping[str, Tensor]:
        """The factor."""
        return {"weight": self._factor.detach()}


def make_weight(value: float | Mapping[str, Any] | Weight) -> Weight:
    """Build a weight from a number or from ``{"kind": "linear", ...}`` as configurations write it.

    Raises:
        ValueError: if the kind or one of its arguments is unknown, or a number is not finite.
    """
    if isinstance(value, Weight):
        return value
    if isinstance(value, Mapping):
        arguments = dict(value)
        kind = arguments.pop("kind", None)
        if kind not in _KINDS:
            raise unknown_name("kind of weight", str(kind), _KINDS)
        try:
            return _KINDS[kind](**arguments)
        except TypeError as error:
            takes = ", ".join(inspect.signature(_KINDS[kind]).parameters)
            raise ValueError(f"weight of kind '{kind}' takes {takes}: {error}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a weight is a number or a mapping with a kind, not {value!r}")
    return Constant(value)


def _done(step: Tensor, steps: int, dtype: torch.dtype) -> Tensor:
    """Share of a schedule that is over, from 0 to 1."""
    return (step.to(dtype) / steps).clamp(max=1.0) if steps > 0 else torch.ones_like(step, dtype=dtype)


def _finite(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} of a weight is a finite number, not {value!r}")
    return float(value)
