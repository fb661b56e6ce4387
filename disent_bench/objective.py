"""A loss is an ordered sum of named terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from disent_bench.forward import Pass
from disent_bench.host import is_recorded
from disent_bench.registry import TERMS, unknown_name
from disent_bench.signatures import Configured, changed, settings_of
from disent_bench.streams import Stream, seeded_apart
from disent_bench.weights import Weight, make_weight

if TYPE_CHECKING:
    from disent_bench.players import Player

Moves = Literal["both", "encoder", "decoder"]


class SkipStep(Exception):
    """Raised by a term that is undefined on the batch at hand; the step is taken without it and the skip is counted."""


class Term(nn.Module, metaclass=Configured):
    """One summand of a loss: a number computed from a `Pass`, unweighted, in nats per image where that makes sense.

    Subclasses implement ``forward(p) -> scalar`` and keep every constructor argument as an attribute of the same name.
    Parameters of their own are made in `setup`, and random numbers drawn with `generator`.

    Args:
        weight: a number or a `Weight` (or its configuration mapping).
        start: the term is neither computed nor added before this step.
        orthogonal_to: name of another term; the component of this term's gradient that opposes that term's gradient is
            removed (`disent_bench.gradients`).
        moves: the networks that the term's gradient reaches: ``"both"``, ``"encoder"`` (with the bottleneck) or
            ``"decoder"``; the term's own parameters are always reached.

    Attributes:
        name: key in the objective, set by `register_term`.
        needs: what the term reads that not every model has, words of `disent_bench.players.NEEDS`; and ``"fitted"`` if
            it shapes a decoder that another term has to fit to the data.
        on_host: whether the term, active, asks the device for values in a recorded step too
            (`disent_bench.host.is_recorded`). A step without such terms can be captured in a graph between two starts
            of terms; work for the host is given to `disent_bench.host.on_host` instead, and what depends on the batch
            whether the term is defined is left to `leave_out`.
        heavy: whether it computes so much beside passes through encoder and decoder that torch's own threads pay for
            it: with a large network of its own, or derivatives by `torch.func`.
    """

    section: ClassVar[str] = "terms"
    name: ClassVar[str] = ""
    needs: frozenset[str] = frozenset()
    on_host: bool = False
    heavy: ClassVar[bool] = False
    skipped: Tensor

    def __init__(
        self,
        *,
        weight: float | Mapping[str, Any] | Weight = 1.0,
        start: int = 0,
        orthogonal_to: str | None = None,
        moves: Moves = "both",
    ) -> None:
        super().__init__()
        if start < 0:
            raise ValueError(f"start of a term is a step >= 0, not {start}")
        if orthogonal_to is not None and orthogonal_to == self.name:
            raise ValueError(f"term '{self.name}' cannot be orthogonal_to itself; name another term")
        self.weight = make_weight(weight)
        self.weight.term = self.name
        self.start = int(start)
        self.orthogonal_to = orthogonal_to
        self.moves: Moves = moves
        self.random = Stream(f"term {self.name}")
        self.register_buffer("skipped", torch.zeros((), dtype=torch.int64))
        self._left_out: Tensor | None = None

    def setup(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        """Make the parameters of this term, once, after the networks; they train with the model.

        Parameters that belong to an opponent are made by the terms of its objective, which are set up likewise.
        """

    def opponents(self) -> Sequence[Player]:
        """Return the players that train beside the model on objectives of their own; called once."""
        return ()

    def forward(self, p: Pass) -> Tensor:
        """Return the unweighted value.

        Raises:
            SkipStep: if the value is undefined on this batch.
        """
        raise NotImplementedError

    def leave_out(self, where: Tensor) -> None:
        """Leave the term out of this step if ``where``, a boolean scalar on the device, holds; called in `forward`.

        In a recorded step `forward` goes on, and its value and gradient, which have to be finite, count as 0.

        Raises:
            SkipStep: if it holds, in a step that is not recorded.
        """
        if not is_recorded():
            if bool(where):
                raise SkipStep
            return
        self._left_out = where if self._left_out is None else self._left_out | where

    def taken(self, raw: Tensor) -> Tensor:
        """Return the value that counts, of the one that `forward` returned."""
        where, self._left_out = self._left_out, None
        if where is None:
            return raw
        self.skipped += where
        return torch.where(where, 0.0, raw)

    def measurements(self) -> Mapping[str, float | Tensor]:
        """Numbers worth logging beside the value, of the latest forward pass.

        Tensors can also be read by weights in the next step; plain numbers, times for instance, are only logged.
        """
        return {}

    def generator(self, device: torch.device) -> torch.Generator:
        """Return the generator of this term's random numbers, whose state is saved with the model."""
        return self.random.on(device)

    def settings(self) -> dict[str, Any]:
        """Return the constructor arguments, as a configuration writes them."""
        values = {name: getattr(self, name) for name in settings_of(type(self))}
        return {name: v.settings() if isinstance(v, Weight) else v for name, v in values.items()}


def choose(name: str, value: str, known: Sequence[str]) -> None:
    """Refuse a setting that is not one of the ``known`` words.

    Raises:
        ValueError: naming the setting and what it can be.
    """
    if value not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}, not '{value}'")


def not_negative(**values: float) -> None:
    """Refuse a hyperparameter below 0 where the paper's formula has a weight or a size.

    Raises:
        ValueError: naming the hyperparameter.
    """
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name} is 0 or more, not {value}")


@dataclass(frozen=True)
class Part:
    """One term's value in one step."""

    raw: Tensor
    weighted: Tensor


class Objective(nn.Module):
    """An ordered sum of terms with distinct names; ``objective + term`` adds one.

    Calling it on a `Pass` returns every active term's `Part` by name; the loss is the sum of the weighted values.

    Raises:
        ValueError: if a name is missing, appears twice or is leaned on without being there.
    """

    def __init__(self, *terms: Term) -> None:
        super().__init__()
        for term in terms:
            if not isinstance(term, Term):
                raise ValueError(f"an objective is made of terms, not of {term!r}")
            if not term.name:
                raise ValueError(f"{type(term).__qualname__} has no name; decorate it with @register_term(name)")
        names = [term.name for term in terms]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"term '{name}' appears twice in one objective; change its weight instead")
        for term in terms:
            if term.orthogonal_to is not None and term.orthogonal_to not in names:
                raise ValueError(
                    f"term '{term.name}' is orthogonal_to '{term.orthogonal_to}', which is not in the objective: "
                    f"{', '.join(names)}"
                )
        self.terms = nn.ModuleDict({term.name: term for term in terms})
        self._opponents: list[Player] | None = None

    def __add__(self, term: Term) -> Objective:
        return Objective(*self, term)

    def __iter__(self) -> Iterator[Term]:
        yield from self.terms.values()  # type: ignore[misc]

    def __getitem__(self, name: str) -> Term:
        if name not in self.terms:
            raise unknown_name("term", name, self.terms)
        return self.terms[name]  # type: ignore[return-value]

    def setup(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        """Let every term, those of opponents included, make its parameters; torch's generator stays as it was."""
        for term in all_terms(self):
            with seeded_apart(f"setup of term {term.name}"):
                term.setup(image_shape, latent_dim)

    def opponents(self) -> list[Player]:
        """Return the opponents of all terms, those of opponents included."""
        if self._opponents is None:
            own = [player for term in self for player in term.opponents()]
            self._opponents = own + [further for player in own for further in player.objective.opponents()]
        return self._opponents

    def forward(self, p: Pass, step: int | None = None) -> dict[str, Part]:
        """Evaluate the terms that have started; a term that skips this step is left out and counted.

        Args:
            p: the pass.
            step: ``p.step`` as a plain number, where the caller knows it; else the device is asked.

        Raises:
            ValueError: if a term returns something else than a scalar tensor.
        """
        now = int(p.step) if step is None else step
        parts = {}
        for term in self:
            if now < term.start:
                continue
            try:
                raw = term(p)
            except SkipStep:
                term.skipped += 1
                continue
            if not isinstance(raw, Tensor) or raw.ndim > 0:
                found = f"a tensor of shape {tuple(raw.shape)}" if isinstance(raw, Tensor) else f"{raw!r}"
                raise ValueError(f"forward of term '{term.name}' returns a scalar tensor, not {found}")
            raw = term.taken(raw)
            parts[term.name] = Part(raw, term.weight(raw, p.step, p.last))
        return parts

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the settings of each term by its name, those of opponents' terms included."""
        return {term.name: term.settings() for term in all_terms(self)}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Mapping[str, Any]]) -> Objective:
        """Return the objective, with fresh terms, that said its `settings` so.

        Raises:
            ValueError: if a term is not registered, or a setting does not fit.
        """
        import_module("disent_bench.terms")
        with changed({f"terms.{name}": values for name, values in settings.items()}):
            built = {name: TERMS[name].factory(**values) for name, values in settings.items()}
            players = [player for term in built.values() for player in term.opponents()]
            opposing = {term.name for player in players for term in all_terms(player.objective)}
            objective = cls(*(TERMS[name].factory(**settings[name]) for name in built if name not in opposing))
            objective.opponents()  # built while their settings are known
        return objective


def all_terms(objective: Objective) -> list[Term]:
    """Return the terms of an objective and of its opponents' objectives.

    Raises:
        ValueError: if two have the same name.
    """
    found = [*objective, *(term for player in objective.opponents() for term in player.objective)]
    names = [term.name for term in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"term '{name}' appears twice, in an opponent's objective as well; give one another name")
    return found
