"""Give a configuration a name of your own."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE

HELP = "give a configuration a name of your own"
DESCRIPTION = (
    "Give the configuration of a run, for all of its seeds, a name that stands in place of method and changed settings "
    "in tables, plots and status. An empty one takes it away."
)
LONGEST = 80


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of one of its runs")
    parser.add_argument("text", type=str, metavar="TEXT", help="the name")


def main(given: Namespace) -> int:
    """Write the label, or take it away."""
    from disent_bench.files import write_atomically
    from disent_bench.runs.folder import RunFolder
    from disent_bench.text import one_line

    run, text = RunFolder(given.folder), one_line(given.text)
    run.read_config()
    if len(text) > LONGEST:
        raise ValueError(f"a label has up to {LONGEST} characters, this one {len(text)}")
    if text:
        write_atomically(run.label, f"{text}\n")
    else:
        run.label.unlink(missing_ok=True)
    print(f"{run.path.parent}: {text or 'no label'}")
    return DONE
