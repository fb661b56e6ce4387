"""The parser of all verbs, and the arguments that several of them take."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

import disent_bench
from disent_bench.cli import verbs

SHARED: dict[str, dict[str, Any]] = {
    "--runs": {"type": Path, "default": Path("runs"), "metavar": "DIR", "help": "folder of all runs"},
    "--plugin": {
        "action": "append",
        "default": [],
        "metavar": "PLUGIN",
        "help": "Python file, or name of a module, that registers what is yours",
    },
    "--data-dir": {
        "type": Path,
        "metavar": "DIR",
        "help": "data folder; else $DISENT_DATA, ./data, or one in the user's cache",
    },
    "--source": {"type": str, "help": "source of the images, for dsprites drawn (default) or official"},
    "--device": {"choices": ["auto", "cpu", "cuda", "mps"], "default": "auto", "help": "where to compute"},
    "--threads": {"type": int, "metavar": "N", "help": "threads on the processor; else as many as it has cores"},
    "--set": {
        "action": "append",
        "nargs": "+",
        "default": [],
        "metavar": "KEY=VALUE",
        "help": "change settings: steps=200, terms.topological.weight=5, methods.beta_tcvae.beta=6, "
        "scores.num_train=5000",
    },
}


def shared(parser: ArgumentParser, *names: str) -> None:
    """Add arguments that several verbs take."""
    for name in names:
        parser.add_argument(name, **SHARED[name])


def verb_names() -> list[str]:
    """Return the names of all verbs: the files in their folder."""
    return sorted(module.name for module in pkgutil.iter_modules(verbs.__path__))


def build_parser() -> ArgumentParser:
    """Return the parser of all verbs."""
    parser = _new_parser("Train, score and compare methods of disentangled representation learning.")
    parser.add_argument("--version", action="version", version=disent_bench.__version__)
    subcommands = parser.add_subcommands(dest="verb", required=True)
    for name in verb_names():
        module = _module(name)
        own = _new_parser(module.DESCRIPTION)
        module.add_arguments(own)
        own.add_argument("--debug", action="store_true", help="show where an error comes from")
        subcommands.add_subcommand(name, own, help=module.HELP)
    return parser


def verb(name: str) -> Callable[[Any], int]:
    """Return what a verb does, from its arguments to the exit status."""
    run: Callable[[Any], int] = _module(name).main
    return run


def _module(name: str) -> Any:
    return import_module(f"{verbs.__name__}.{name}")


def _new_parser(description: str) -> ArgumentParser:
    return ArgumentParser(prog="disent-bench", description=description, exit_on_error=False, allow_abbrev=False)
