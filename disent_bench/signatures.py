"""Arguments of classes and functions, with their types: what can be set, and whether a value fits.

Terms and bottlenecks are configured by their keyword arguments, which `Configured` checks when they are built.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from typing import Any, Literal, Union

from disent_bench.registry import unknown_name


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


@dataclass
class _Changes:
    """Settings that wait for the object that they are meant for, by its address."""

    wanted: Mapping[str, Mapping[str, Any]]
    built: dict[str, list[str]] = field(default_factory=dict)
    effective: set[str] = field(default_factory=set)


_CHANGES: ContextVar[_Changes | None] = ContextVar("changes", default=None)


@contextmanager
def changed(settings: Mapping[str, Mapping[str, Any]]) -> Iterator[set[str]]:
    """Give whatever is built meanwhile the ``settings`` under its address, in place of what its builder passes.

    An address is ``terms.<name>`` of a term, ``bottleneck`` of the bottleneck. So a recipe builds its objective once,
    with all that the user has set.

    Yields:
        The full names of those that, as things are built, turn out to differ from what they would have been.

    Raises:
        ValueError: if a setting belongs to nothing that was built.
    """
    changes = _Changes(settings)
    token = _CHANGES.set(changes)
    try:
        yield changes.effective
    finally:
        _CHANGES.reset(token)
    known = [f"{address}.{name}" for address, names in changes.built.items() for name in names]
    for address, values in settings.items():
        for name in values:
            if f"{address}.{name}" not in known:
                raise unknown_name("setting", f"{address}.{name}", known)


class Configured(type):
    """Class of the classes whose keyword-only arguments, those of their bases included, are their settings.

    Each setting is an attribute of the same name, has the type of its hint, and can be given by `changed`.
    """

    name: str
    section: str

    @property
    def address(cls) -> str:
        """Where a configuration holds the settings."""
        return f"{cls.section}.{cls.name}" if cls.section.endswith("s") else cls.section

    def __call__(cls, *arguments: Any, **given: Any) -> Any:  # noqa: D102
        hints = settings_of(cls)
        changes = _CHANGES.get()
        if changes is not None:
            changes.built[cls.address] = list(hints)
            wanted = {name: value for name, value in changes.wanted.get(cls.address, {}).items() if name in hints}
            before = {**defaults_of(cls), **given}
            changes.effective |= {f"{cls.address}.{n}" for n, v in wanted.items() if n not in before or before[n] != v}
            given |= wanted
        for name in given:
            if name not in hints:
                raise unknown_name(f"setting of {cls.address}", name, hints)
        checked = {name: check_type(f"{cls.address}.{name}", value, hints[name]) for name, value in given.items()}
        built = super().__call__(*arguments, **checked)
        lost = [name for name in hints if not hasattr(built, name)]
        if lost:
            raise ValueError(
                f"{cls.__qualname__} does not keep its argument {', '.join(lost)} as an attribute of that name, from "
                "which its settings are read"
            )
        return built


@cache
def settings_of(cls: type) -> Mapping[str, Any]:
    """Return the keyword-only arguments of ``cls`` and its bases, the most general first, each with its type hint."""
    return {p.name: hints.get(p.name, Any) for p, hints in _keyword_only(cls)}


@cache
def defaults_of(cls: type) -> Mapping[str, Any]:
    """Return the defaults of the settings of ``cls`` that have one."""
    return {p.name: p.default for p, _ in _keyword_only(cls) if p.default is not p.empty}


def _keyword_only(cls: type) -> Iterator[tuple[inspect.Parameter, Mapping[str, Any]]]:
    for base in reversed(cls.__mro__):
        if isinstance(base, Configured) and "__init__" in vars(base):
            init = vars(base)["__init__"]
            hints = typing.get_type_hints(init)
            for parameter in inspect.signature(init).parameters.values():
                if parameter.kind is parameter.KEYWORD_ONLY:
                    yield parameter, hints
