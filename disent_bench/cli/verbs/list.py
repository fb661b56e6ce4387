"""List what is registered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE
from disent_bench.cli.parser import shared

HELP = "list methods, terms, data sets, protocols and what else is registered"
DESCRIPTION = "List what is registered, with one line about each."


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("what", choices=list(LISTS))
    parser.add_argument("--json", action="store_true", help="print JSON")
    shared(parser, "--plugin")


def main(given: Namespace) -> int:
    """Print the list."""
    from disent_bench.plugins import load_plugins

    load_plugins(given.plugin)
    entries = LISTS[given.what]()
    if given.json:
        print(json.dumps(entries, indent=2))
        return DONE
    width = max(len(entry["name"]) for entry in entries)
    for entry in entries:
        licence = f" (licence: {entry['licence']})" if "licence" in entry else ""
        print(f"{entry['name']:<{width}}  {entry['summary']}{licence}")
    return DONE


def _registered(package: str, registry: str) -> list[dict[str, str]]:
    """Entries of a registry, once the package that fills it is imported."""
    import_module(f"disent_bench.{package}")
    found = getattr(import_module("disent_bench.registry"), registry).entries()
    return [{"name": entry.name, "summary": entry.summary, "paper": entry.paper} for entry in found]


def _datasets() -> list[dict[str, str]]:
    import disent_datasets

    found = [disent_datasets.info(name) for name in disent_datasets.names()]
    return [
        {"name": each.name, "summary": each.title, "licence": each.licence, "paper": each.citation} for each in found
    ]


def _protocols() -> list[dict[str, str]]:
    from disent_bench.config.protocols import load_protocol, protocol_names

    found = [load_protocol(name) for name in protocol_names()]
    return [{"name": each.name, "summary": each.title, "paper": each.note} for each in found]


def _scores() -> list[dict[str, str]]:
    import disent_metrics

    found = disent_metrics.scores().values()
    return [{"name": each.name, "summary": f"{each.title}: {each.rewards}", "paper": each.source} for each in found]


LISTS: Mapping[str, Callable[[], list[dict[str, str]]]] = {
    "methods": partial(_registered, "methods", "METHODS"),
    "terms": partial(_registered, "terms", "TERMS"),
    "bottlenecks": partial(_registered, "bottlenecks", "BOTTLENECKS"),
    "networks": partial(_registered, "nets", "NETWORKS"),
    "datasets": _datasets,
    "protocols": _protocols,
    "scores": _scores,
}
