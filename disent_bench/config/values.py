"""Values as a user types them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from disent_bench.config.yaml_text import read_yaml


def parse_value(text: str) -> Any:
    """Read a value as YAML writes it, with every spelling of a number that Python knows (YAML 1.1 takes 1e-3 for a
    word).

    Raises:
        ValueError: if the text is not YAML.
    """
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    try:
        return read_yaml(text)
    except ValueError as error:
        raise ValueError(f"'{text[:80]}' is {error}") from None


MOST_SEEDS = 10_000
LARGEST_SEED = 2**32 - 1


def parse_seeds(text: str, name: str = "--seeds") -> list[int]:
    """Read ``0-4``, ``3`` or ``0-1,7`` as a list of seeds, in the order given, each once.

    Raises:
        ValueError: if the text is something else, naming ``name``.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not _is_digits(first) or (dash and not _is_digits(last)):
            raise ValueError(f"{name} takes numbers and ranges such as 0-4 or 0,2,7, not '{text[:80]}'")
        if max(len(first), len(last)) > len(str(LARGEST_SEED)) or int(last or first) > LARGEST_SEED:
            raise ValueError(f"{name} {part.strip()[:80]}: a seed is at most {LARGEST_SEED}")
        span = range(int(first), int(last or first) + 1)
        if not span:
            raise ValueError(f"{name} {part.strip()} is empty; the smaller number comes first")
        if len(seeds) + len(span) > MOST_SEEDS:
            raise ValueError(f"{name} {text[:80]} names more than {MOST_SEEDS} seeds")
        seeds.update(dict.fromkeys(span))
    return list(seeds)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def parse_overrides(
    groups: Sequence[Sequence[str]], option: str = "--set", example: str = "steps=200"
) -> dict[str, Any]:
    """Read ``key=value`` words of an option of the command line; values as YAML writes them.

    Raises:
        ValueError: if a word has no ``=``, or a key is given twice.
    """
    overrides: dict[str, Any] = {}
    for word in (word for group in groups for word in group):
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ValueError(f"{option} takes key=value, such as {example}, not '{word}'")
        if key in overrides:
            raise ValueError(f"{option} gives {key} twice; keep one")
        overrides[key] = parse_value(value)
    return overrides
