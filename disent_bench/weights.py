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
    """

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
        return (self.first + (self.last - self.first) * _done(step, self.steps, raw.dtype)) * raw


class Capacity(Weight):
    """``gamma * |raw - C|``, C growing linearly from 0 to ``capacity`` nats in ``steps`` (Burgess et al. 2018)."""

    def __init__(self, capacity: float, gamma: float = 1000.0, steps: int = 100_000) -> None:
        super().__init__()
        self.capacity, self.gamma, self.steps = _finite("capacity", capacity), _finite("gamma", gamma), int(steps)

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:  # noqa: D102
        return self.gamma * (raw - self.capacity * _done(step, self.steps, raw.dtype)).abs()


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
        self.first, self.increment, self.every, self.minimum = first, increment, every, minimum
        self.register_buffer("integral", torch.zeros(()))
        self.register_buffer("previous", torch.tensor(float(minimum)))

    def forward(self, raw: Tensor, step: Tensor, last: Mapping[str, Tensor]) -> Tensor:  # noqa: D102
        set_point = (self.first + self.increment * (step // self.every)).clamp(max=self.target)
        error = set_point - raw.detach()
        proportional = self.kp * torch.sigmoid(-error) + self.minimum
        grow = (self.previous >= self.minimum).to(error.dtype)
        self.integral = self.integral + grow * self.ki * error
        self.previous = proportional + self.integral
        return self.previous.clamp_min(self.minimum) * raw


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
