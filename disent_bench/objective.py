"""A loss is an ordered sum of named terms."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from disent_bench.forward import Pass
from disent_bench.registry import TERMS, unknown_name
from disent_bench.signatures import argument_hints
from disent_bench.weights import Weight, make_weight


class SkipStep(Exception):
    """Raised by a term that is undefined on the batch at hand; the step goes on without it and the skip is counted."""


class Term(nn.Module):
    """One summand of a loss: a number computed from a `Pass`, unweighted, in nats per image where that makes sense.

    Subclasses implement ``forward(p) -> scalar`` and keep every constructor argument as an attribute of the same name.

    Args:
        weight: a number or a `Weight` (or its configuration mapping).
        start: the term is neither computed nor added before this step.
        orthogonal_to: name of another term; the component of this term's gradient that opposes that term's gradient is
            removed (`disent_bench.gradients`).

    Attributes:
        name: key in the objective, set by `register_term`.
        needs: what the term reads beyond the posterior: ``"decoder"`` (logits), ``"second"`` (a second batch); and
            ``"fitted"`` if it does not fit the decoder to the data itself, so that another term must.
    """

    name: ClassVar[str] = ""
    needs: frozenset[str] = frozenset()
    skipped: Tensor

    def __init__(
        self,
        *,
        weight: float | Mapping[str, Any] | Weight = 1.0,
        start: int = 0,
        orthogonal_to: str | None = None,
    ) -> None:
        super().__init__()
        if start < 0:
            raise ValueError(f"start of a term is a step >= 0, not {start}")
        self.weight = make_weight(weight)
        self.start = int(start)
        self.orthogonal_to = orthogonal_to
        self.register_buffer("skipped", torch.zeros((), dtype=torch.int64))

    def forward(self, p: Pass) -> Tensor:
        """Return the unweighted value.

        Raises:
            SkipStep: if the value is undefined on this batch.
        """
        raise NotImplementedError

    def measurements(self) -> dict[str, float]:
        """Numbers worth logging beside the value, of the latest forward pass."""
        return {}

    def settings(self) -> dict[str, Any]:
        """Return the constructor arguments, as a configuration writes them."""
        values = {name: getattr(self, name) for name in term_arguments(type(self))}
        return {name: v.settings() if isinstance(v, Weight) else v for name, v in values.items()}

    def with_settings(self, changes: Mapping[str, Any]) -> Term:
        """Return a fresh term of this kind with some arguments changed.

        Raises:
            ValueError: if an argument is unknown or has a bad value.
        """
        current = self.settings()
        for name in changes:
            if name not in current:
                raise unknown_name(f"setting of term '{self.name}'", name, current)
        return type(self)(**{**current, **changes})


def choose(name: str, value: str, known: Sequence[str]) -> None:
    """Refuse a setting that is not one of the ``known`` words.

    Raises:
        ValueError: naming the setting and what it can be.
    """
    if value not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}, not '{value}'")


def term_arguments(cls: type[Term]) -> dict[str, Any]:
    """Return the keyword arguments of ``cls`` and its bases, the most general first, each with its type hint."""
    arguments: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Term) and "__init__" in vars(base):
            hints = argument_hints(base)
            parameters = inspect.signature(base.__init__).parameters.values()
            arguments.update({p.name: hints[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY})
    return arguments


@dataclass(frozen=True)
class Part:
    """One term's value in one step."""

    raw: Tensor
    weighted: Tensor


class Objective(nn.Module):
    """An ordered sum of terms with distinct names; ``objective + term`` adds one.

    Calling it on a `Pass` returns every active term's `Part` by name; the loss is the sum of the weighted values.
    """

    def __init__(self, *terms: Term) -> None:
        super().__init__()
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

    def __add__(self, term: Term) -> Objective:
        return Objective(*self, term)

    def __iter__(self) -> Iterator[Term]:
        yield from self.terms.values()  # type: ignore[misc]

    def __getitem__(self, name: str) -> Term:
        if name not in self.terms:
            raise unknown_name("term", name, self.terms)
        return self.terms[name]  # type: ignore[return-value]

    @property
    def needs(self) -> frozenset[str]:
        """Everything that some term reads beyond the posterior."""
        return frozenset().union(*(term.needs for term in self))

    def refuse_unfitted_decoder(self) -> None:
        """Refuse a sum in which terms shape a decoder that no term fits to the data.

        Raises:
            ValueError: naming these terms.
        """
        decoding = [term for term in self if "decoder" in term.needs]
        if decoding and all("fitted" in term.needs for term in decoding):
            names = ", ".join(f"'{term.name}'" for term in decoding)
            raise ValueError(
                f"no term fits the decoder that {names} would shape; take a base with a reconstruction term, or a term "
                'on the encoder (side="encoder", where it has one)'
            )

    def forward(self, p: Pass) -> dict[str, Part]:
        """Evaluate the terms that have started; a term that skips this step is left out and counted."""
        parts = {}
        for term in self:
            if p.step < term.start:
                continue
            try:
                raw = term(p)
            except SkipStep:
                term.skipped += 1
                continue
            parts[term.name] = Part(raw, term.weight(raw, p.step))
        return parts

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return each term's settings by name."""
        return {term.name: term.settings() for term in self}

    def with_settings(self, changes: Mapping[str, Mapping[str, Any]]) -> Objective:
        """Return a fresh objective with some settings of some terms changed."""
        for name in changes:
            self[name]
        return Objective(*(term.with_settings(changes.get(term.name, {})) for term in self))


def make_term(name: str, **settings: Any) -> Term:
    """Build a registered term by name."""
    return TERMS[name].factory(**settings)
