"""Let a shell complete verbs, arguments and names."""

from __future__ import annotations

from typing import Any

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE

HELP = "let your shell complete verbs, arguments and names"
DESCRIPTION = (
    "Print a script that lets a shell complete verbs, arguments and the names of methods, data sets and protocols; for "
    'bash: eval "$(disent-bench completion bash)" in ~/.bashrc. Needs disent-bench[completion].'
)
SHELLS = ("bash", "zsh", "tcsh", "fish")


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("shell", choices=SHELLS)


def main(given: Namespace) -> int:
    """Print the script."""
    try:
        import shtab
    except ImportError:
        raise ValueError("completion needs shtab: pip install 'disent-bench[completion]'") from None
    from disent_datasets import names

    from disent_bench.cli.parser import build_parser
    from disent_bench.cli.registered import registered
    from disent_bench.config.protocols import protocol_names

    methods = [name for kind, name in registered() if kind == "method"]
    known = {"method": methods, "dataset": names(), "protocol": protocol_names()}
    parser = build_parser()
    verbs: Any = next(action.choices for action in parser._actions if action.dest == "verb")
    for own in verbs.values():
        for argument in own._actions:
            argument.choices = known.get(argument.dest, argument.choices)
    if given.shell not in shtab.SUPPORTED_SHELLS:
        raise ValueError(f"this shtab knows {', '.join(shtab.SUPPORTED_SHELLS)}, not {given.shell}; a newer one may")
    print(shtab.complete(parser, given.shell))
    return DONE
