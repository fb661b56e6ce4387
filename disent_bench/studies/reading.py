"""The file of a study: what it may say, and what it includes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disent_bench.config.values import parse_seeds, parse_value
from disent_bench.config.yaml_text import read_yaml
from disent_bench.registry import unknown_name
from disent_bench.signatures import check_type
from disent_bench.studies.files import find_study
from disent_bench.studies.tuning import UDR, Tuning, expanded
from disent_bench.text import seeds_text

Tree = Mapping[str, Any]
FILE: Tree = {
    "include": tuple[Any, ...],
    "title": str,
    "note": str,
    "protocol": str,
    "datasets": tuple[Any, ...],
    "seeds": int | str,
    "settings": Mapping,
    "methods": tuple[Any, ...],
    "plugins": tuple[Any, ...],
    "tuning": Mapping,
}
ENTRY: Tree = {"method": str, "settings": Mapping, "sweep": Mapping, "grid": Mapping}
TUNING: Tree = {"seeds": int | str, "by": str}
DEFAULTS: Tree = {"include": (), "note": "", "settings": {}, "plugins": (), "sweep": {}, "grid": {}, "tuning": {}}


@dataclass(frozen=True)
class Study:
    """A study as its file writes it.

    Attributes:
        path: the file.
        methods: each a name or sum of names, with the settings that are its own, and a grid of settings to choose from.
        settings: settings of all runs; those of a method win.
        plugins: Python files that register what is the user's.
        tuning: how settings are chosen where there is a grid.
    """

    path: Path
    title: str
    note: str
    protocol: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Tree
    methods: tuple[tuple[str, Tree, Tree], ...]
    plugins: tuple[Path, ...]
    tuning: Tuning | None = None


def read_study(path: Path) -> Study:
    """Read the file of a study; names and settings are looked up by `resolve_study`.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not written as a study is; the message names the file.
    """
    with naming(path):
        content = _read(path)
        given = _checked("a study", content, FILE, DEFAULTS)
        for name in ("datasets", "methods"):
            if not given[name]:
                raise ValueError(f"{name} is empty; name at least one")
        seeds = tuple(parse_seeds(str(given["seeds"]), "seeds"))
        methods = tuple(one for entry in given["methods"] for one in _method(entry))
        tuning = _tuning(given["tuning"], seeds) if given["tuning"] else None
        if (tuning is None) == any(grid for *_, grid in methods):
            raise ValueError("a grid of settings needs tuning: {seeds: 100-104, by: mig}, and tuning a grid")
        return Study(
            path,
            **{name: given[name] for name in ("title", "note", "protocol")},
            datasets=tuple(check_type("a data set", name, str) for name in given["datasets"]),
            seeds=seeds,
            settings=_settings(given["settings"]),
            methods=methods,
            plugins=tuple(Path(name) for name in given["plugins"]),
            tuning=tuning,
        )


def _read(path: Path, above: tuple[Path, ...] = ()) -> Any:
    """Read a file with those it includes: its own keys win, methods and plugins are added, settings merged."""
    if path.resolve() in above:
        raise ValueError(f"{path} includes itself")
    content = read_yaml(path.read_text(encoding="utf-8"))
    if not isinstance(content, Mapping):
        return content
    plugins = [str(path.parent / name) for name in _list(content, "plugins")]
    whole: dict[str, Any] = {"methods": [], "plugins": [], "settings": {}}
    for name in _list(content, "include"):
        file = find_study(path.parent / name if (path.parent / name).exists() else Path(name))
        with naming(file):
            part = _read(file, (*above, path.resolve()))
        whole = _merged(whole, part) if isinstance(part, Mapping) else whole
    whole = _merged(whole, {**content, **({"plugins": plugins} if plugins else {})})
    return {name: value for name, value in whole.items() if value or name in content}


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**first, **second}
    for name in ("methods", "plugins"):
        both = [part.get(name, []) for part in (first, second)]
        if all(isinstance(part, list) for part in both):
            merged[name] = both[0] + both[1]
    if isinstance(second.get("settings"), Mapping):
        merged["settings"] = {**first["settings"], **second["settings"]}
    return merged


def _list(content: Mapping[str, Any], name: str) -> Sequence[str]:
    given = check_type(name, content.get(name, ()), tuple[Any, ...])
    return [check_type(f"each of {name}", each, str) for each in given]


def _method(entry: Any) -> Iterator[tuple[str, Tree, Tree]]:
    """Yield method, settings and grid of each that an entry means: of a sweep one for every setting."""
    if isinstance(entry, str):
        yield entry, {}, {}
        return
    given = _checked("an entry of methods", entry, ENTRY, DEFAULTS)
    for kind in ("sweep", "grid"):
        for name, values in given[kind].items():
            if not isinstance(values, list) or not values:
                raise ValueError(f"{kind} gives {name} a list of values, not {values!r}")
    sweep, grid = (
        {str(name): [_typed(value) for value in values] for name, values in given[kind].items()}
        for kind in ("sweep", "grid")
    )
    for own in expanded(sweep):
        yield given["method"], {**_settings(given["settings"]), **own}, grid


def _tuning(content: Any, reported_seeds: Sequence[int]) -> Tuning:
    given = _checked("tuning", content, TUNING, {})
    seeds = tuple(parse_seeds(str(given["seeds"]), "tuning seeds"))
    if both := sorted(set(seeds) & set(reported_seeds)):
        raise ValueError(f"seeds to choose by are others than those reported; {seeds_text(both)} is in both")
    if given["by"] == UDR and len(seeds) < 2:
        raise ValueError("udr compares models of several seeds; give tuning two or more")
    return Tuning(seeds, given["by"])


def _settings(values: Tree) -> Tree:
    return {str(name): _typed(value) for name, value in values.items()}


def _typed(value: Any) -> Any:
    """Read words as ``--set`` does, for YAML takes 1e-3 for one."""
    return parse_value(value) if isinstance(value, str) else value


def _checked(kind: str, content: Any, hints: Mapping[str, Any], defaults: Tree) -> dict[str, Any]:
    if not isinstance(content, Mapping):
        raise ValueError(f"{kind} has the keys {', '.join(hints)}; this is {content!r}")
    for name in content:
        if name not in hints:
            raise unknown_name(f"key of {kind}", str(name), hints)
    missing = [name for name in hints if name not in content and name not in defaults]
    if missing:
        raise ValueError(f"{kind} lacks {', '.join(missing)}")
    return {name: check_type(name, content.get(name, defaults.get(name)), hint) for name, hint in hints.items()}


@contextmanager
def naming(source: Path | str) -> Iterator[None]:
    """Put the name of where a mistake was made before its message."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
