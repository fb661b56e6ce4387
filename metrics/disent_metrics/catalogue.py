"""Registered scores by name; looking one up imports the built-in ones."""

import math

import disent_metrics.functional  # noqa: F401 (fills the registry)
from disent_metrics.registry import REGISTERED, Key, Score, unknown


def scores() -> dict[str, Score]:
    """All registered scores by name, the built-in ones included."""
    return dict(sorted(REGISTERED.items()))


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
    found = _key(key)
    return found.higher_is_better if found else None


def score_range(key: str) -> tuple[float, float]:
    """Lowest and highest value of one returned number; infinite for a key that is not a registered one."""
    found = _key(key)
    return (found.low, found.high) if found else (-math.inf, math.inf)


def _key(key: str) -> Key | None:
    return next((score.keys[key] for score in scores().values() if key in score.keys), None)
