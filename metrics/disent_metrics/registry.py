"""Registry of scores: what each is called, returns, needs and costs; tests, suite and tables read it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from inspect import Parameter, signature
from typing import Any, Literal, TypeVar

Needs = Literal["codes", "split", "represent", "unlabelled", "reconstruction", "traversals", "maps"]
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
        needs: Its positional arguments: ``codes`` means ``(codes, factors)``, ``split`` means
            ``(codes, factors, test_codes, test_factors)``, ``represent`` means ``(represent, factor_sizes)``,
            ``unlabelled`` means ``(codes,)``. The others are not made from codes and come from the suite's
            ``providers``: ``reconstruction`` means ``(images, reconstructions)``, ``traversals`` means
            ``(images, traversals, divergence)``, ``maps`` means ``(images, codes, decoded, gromov_wasserstein)``.
        min_samples: Fewest training samples it accepts.
        rewards: What a high (or low) value means, in a few words.
        source: Paper or code that defines it.
        version: Raised when the same input gives another number; values of two versions are not comparable.
    """

    name: str
    function: Callable[..., dict[str, float]]
    title: str
    keys: Mapping[str, Key]
    needs: Needs
    min_samples: int
    rewards: str
    source: str
    version: int = 1

    def settings(self) -> dict[str, Any]:
        """Keyword settings of the function and their defaults."""
        parameters = signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is Parameter.KEYWORD_ONLY}


_SCORES: dict[str, Score] = {}


def register_score(
    name: str,
    *,
    title: str,
    keys: Mapping[str, Key],
    needs: Needs,
    rewards: str,
    source: str,
    min_samples: int = 2,
    version: int = 1,
) -> Callable[[Function], Function]:
    """Decorator that registers a score function under ``name``; see ``Score`` for the arguments.

    Raises:
        ValueError: The name, or one of the keys, is taken by another function, or the version is not a whole
            number from 1 on. The same function may register again, as that of a plug-in loaded twice does.
    """
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"version of score {name!r} is a whole number from 1 on, not {version!r}")

    def decorate(function: Function) -> Function:
        others = [score for score in _SCORES.values() if _origin(score.function) != _origin(function)]
        if any(score.name == name or score.keys.keys() & keys.keys() for score in others):
            raise ValueError(f"score {name!r} or one of its keys {sorted(keys)} is already registered")
        _SCORES[name] = Score(name, function, title, dict(keys), needs, min_samples, rewards, source, version)
        return function

    return decorate


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def scores() -> dict[str, Score]:
    """All registered scores by name, the built-in ones included."""
    import_module("disent_metrics.functional")
    return dict(sorted(_SCORES.items()))


def get_score(name: str) -> Score:
    """The score registered as ``name``.

    Raises:
        ValueError: There is none; the message proposes the nearest name.
    """
    known = scores()
    if name not in known:
        raise ValueError(unknown("score", name, known))
    return known[name]


def higher_is_better(key: str) -> bool | None:
    """Direction of one returned number such as ``"mig"`` or ``"dci_disentanglement"``.

    Returns:
        True or False, or None if more is neither better nor worse or the key is not a registered one.
    """
    found = [score.keys[key] for score in scores().values() if key in score.keys]
    return found[0].higher_is_better if found else None


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line for an unknown name: the nearest known one, then all of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ";"
    return f"unknown {kind} {name!r}{hint} known: {', '.join(names)}"
