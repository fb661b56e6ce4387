"""Registry of scores: what each is called, returns, needs and costs; tests, suite and tables read it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any, TypeVar

INPUTS: Mapping[str, str] = {
    "codes": "codes ``(n, d)``: those of the training samples if the score takes test samples, else of all there are",
    "factors": "factor indices ``(n, k)`` of ``codes``",
    "test_codes": "codes of samples that were held out",
    "test_factors": "factor indices of ``test_codes``",
    "represent": "a function from factor indices ``(n, k)`` to codes ``(n, d)``",
    "factor_sizes": "number of values of each factor ``(k,)``",
    "images": "images of the data set",
    "reconstructions": "their reconstructions",
    "unmoved": "decodings of some codes, for each latent",
    "traversals": "decodings of these codes, each latent shifted in turn ``(d, n, ...)``",
    "divergence": "a function from two distance matrices to their divergence",
    "points": "images of the data set, as many as geometry is measured on",
    "latents": "their codes",
    "decoded": "their reconstructions",
    "gromov_wasserstein": "a function from two cost matrices to the least distortion of a coupling",
}
"""What a score can take, by the name of the argument."""

Function = TypeVar("Function", bound=Callable[..., dict[str, float]])


@dataclass(frozen=True)
class Key:
    """One number that a score returns: its direction (``None``: neither) and its range."""

    higher_is_better: bool | None = True
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Score:
    """A registered score.

    Attributes:
        name: Name in protocols.
        function: The pure function.
        title: Name in prose.
        keys: The numbers it returns.
        inputs: Names of its positional arguments, keys of ``INPUTS``; whoever computes it hands them over by name.
        min_samples: Fewest training samples it accepts.
        rewards: What a high (or low) value means, in a few words.
        source: Paper or code that defines it.
        version: Raised when the same input gives another number; values of two versions are not comparable.
        by_dimension: Whether it asks what single code dimensions do; if not, codes in groups change nothing.
    """

    name: str
    function: Callable[..., dict[str, float]]
    title: str
    keys: Mapping[str, Key]
    inputs: tuple[str, ...]
    min_samples: int
    rewards: str
    source: str
    version: int = 1
    by_dimension: bool = True

    def settings(self) -> dict[str, Any]:
        """Keyword settings of the function and their defaults."""
        parameters = signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is Parameter.KEYWORD_ONLY}


REGISTERED: dict[str, Score] = {}


def register_score(
    name: str,
    *,
    title: str,
    keys: Mapping[str, Key],
    rewards: str,
    source: str,
    min_samples: int = 2,
    version: int = 1,
    by_dimension: bool = True,
) -> Callable[[Function], Function]:
    """Decorator that registers a score function under ``name``; see ``Score`` for the arguments.

    Raises:
        ValueError: The name, or one of the keys, is taken by another function, an input is unknown, or the version is
            not a whole number from 1 on. The same function may register again, as that of a plug-in loaded twice does.
    """
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"version of score {name!r} is a whole number from 1 on, not {version!r}")

    def decorate(function: Function) -> Function:
        parameters = signature(function).parameters.values()
        inputs = tuple(p.name for p in parameters if p.kind is not Parameter.KEYWORD_ONLY)
        for given in inputs:
            if given not in INPUTS:
                raise ValueError(unknown(f"input of score {name!r}", given, INPUTS))
        others = [score for score in REGISTERED.values() if _origin(score.function) != _origin(function)]
        if any(score.name == name or score.keys.keys() & keys.keys() for score in others):
            raise ValueError(f"score {name!r} or one of its keys {sorted(keys)} is already registered")
        REGISTERED[name] = Score(
            name, function, title, dict(keys), inputs, min_samples, rewards, source, version, by_dimension
        )
        return function

    return decorate


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line for an unknown name: the nearest known one, then all of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ";"
    return f"unknown {kind} {name!r}{hint} known: {', '.join(names)}"
