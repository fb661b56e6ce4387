"""Values that a user typed, checked against the type hints of what they configure."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, Literal, Union

import yaml


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
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"'{text}' is not a YAML value: {str(error).splitlines()[0]}") from None


def parse_seeds(text: str, name: str = "--seeds") -> list[int]:
    """Read ``0-4``, ``3`` or ``0-1,7`` as a list of seeds, in the order given, each once.

    Raises:
        ValueError: if the text is something else, naming ``name``.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"{name} takes numbers and ranges such as 0-4 or 0,2,7, not '{text}'")
        span = range(int(first), int(last or first) + 1)
        if not span:
            raise ValueError(f"{name} {part.strip()} is empty; the smaller number comes first")
        seeds.update(dict.fromkeys(span))
    return list(seeds)


def argument_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the type hint of every argument of a function or class; `Any` where there is none."""
    # A dataclass's fields are annotated in the modules of its bases, its __init__ in none of them.
    own_init = inspect.isclass(function) and not is_dataclass(function)
    target = function.__init__ if own_init else function
    hints = typing.get_type_hints(target)
    return {name: hints.get(name, Any) for name in inspect.signature(function).parameters}


def check_type(name: str, value: Any, hint: Any) -> Any:
    """Return ``value`` as ``hint`` wants it: whole floats become ints, ints floats, lists tuples.

    Raises:
        ValueError: if the value does not fit, naming ``name`` and what would.
    """
    for option in _options(hint):
        fits, converted = _convert(value, option)
        if fits:
            return converted
    raise ValueError(f"{name} is {_describe(hint)}, not {value!r}")


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)


def _convert(value: Any, hint: Any) -> tuple[bool, Any]:
    origin = typing.get_origin(hint) or hint
    if hint is Any:
        return True, value
    if hint is None or hint is type(None):
        return value is None, value
    if origin is Literal:
        # --set precision=32 reads as a number where the choice is a word
        match = [choice for choice in typing.get_args(hint) if choice == value or str(choice) == str(value)]
        return bool(match), match[0] if match else value
    if isinstance(value, bool):
        return origin is bool, value
    if origin is int:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return whole, int(value) if whole else value
    if origin is float:
        number = isinstance(value, int | float)
        return number, float(value) if number else value
    if origin is tuple:
        return isinstance(value, list | tuple), tuple(value) if isinstance(value, list | tuple) else value
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return isinstance(value, Mapping), value
    return inspect.isclass(origin) and isinstance(value, origin), value


def _describe(hint: Any) -> str:
    words = {
        int: "a whole number",
        float: "a number",
        str: "a word",
        bool: "true or false",
        type(None): "null",
    }
    parts = []
    for option in _options(hint):
        if typing.get_origin(option) is Literal:
            parts += [str(choice) for choice in typing.get_args(option)]
        elif typing.get_origin(option) is tuple:
            parts.append("a list")
        elif (typing.get_origin(option) or option) in words:
            parts.append(words[option])
        elif issubclass(typing.get_origin(option) or option, Mapping):
            parts.append("a mapping")
    return " or ".join(parts)
