"""Contracts by the kind of what is registered."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from disent_bench.text import one_line

KINDS = ("term", "method", "bottleneck", "network", "dataset", "score")


class BrokenError(AssertionError):
    """A promise that does not hold; the message says how."""


@dataclass(frozen=True)
class Contract:
    """One promise of everything of a kind.

    Attributes:
        claim: what holds, in a few words.
        hold: tries it on what is registered under a name, and raises if it does not hold.
    """

    kind: str
    claim: str
    hold: Callable[[str], None]


@dataclass(frozen=True)
class Finding:
    """How a contract ended; ``error`` is empty where it holds."""

    claim: str
    error: str = ""


_CONTRACTS: dict[str, list[Contract]] = {kind: [] for kind in KINDS}


def contract(kind: str) -> Callable[[Callable[[str], None]], Callable[[str], None]]:
    """Return a decorator that adds a contract of a kind; its claim is the first line of its docstring."""

    def add(hold: Callable[[str], None]) -> Callable[[str], None]:
        claim = (hold.__doc__ or "").splitlines()[0].rstrip(".")
        _CONTRACTS[kind].append(Contract(kind, claim, hold))
        return hold

    return add


def contracts_of(kind: str) -> list[Contract]:
    """Return the contracts of a kind, one of `KINDS`."""
    import_module(f"disent_bench.contracts.{kind}s")
    return list(_CONTRACTS[kind])


def require(holds: object, what: str) -> None:
    """Break the contract unless something holds.

    Raises:
        BrokenError: saying ``what`` is wrong.
    """
    if not holds:
        raise BrokenError(what)


def check(kind: str, name: str) -> Iterator[Finding]:
    """Try all contracts of a kind on what is registered under a name."""
    for each in contracts_of(kind):
        error = ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                each.hold(name)
        except BrokenError as broken:
            error = one_line(broken)
        except Exception as failure:
            frame = traceback.extract_tb(failure.__traceback__)[-1]
            error = one_line(f"{type(failure).__name__}: {failure} ({frame.filename}:{frame.lineno})")
        yield Finding(each.claim, error)
