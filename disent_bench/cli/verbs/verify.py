"""Recompute published results."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE, SOME_FAILED, complain
from disent_bench.cli.parser import shared

HELP = "recompute published results from their models or codes"
DESCRIPTION = (
    "Recompute every score of published results on the CPU, from the model or the codes that go with them, and fail on "
    "a difference. PATH is what disent-bench submit wrote, or a part of it. No code of whoever submitted it is run."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a result.json, or a folder of such files")
    parser.add_argument("--write", action="store_true", help="write verified.json beside each result that holds")
    shared(parser, "--data-dir")


def main(given: Namespace) -> int:
    """Recompute the results below the path."""
    from disent_bench.runs.submission import verify, write_verified
    from disent_bench.text import one_line

    paths = [given.path] if given.path.is_file() else sorted(given.path.glob("**/result.json"))
    if not paths:
        return complain(f"no result.json in {given.path}; disent-bench submit writes some")
    wrong = bare = 0
    for path in paths:
        try:
            verdict = verify(path, data_dir=given.data_dir)
        except (ValueError, OSError) as error:
            wrong += 1
            print(f"not verified: {one_line(error)}")
            continue
        if verdict.evidence is None:
            bare += 1
            print(f"valid, numbers alone: {path}")
        elif verdict.differing:
            wrong += 1
            pairs = [f"{name} {told:.4f}, found {found:.4f}" for name, (told, found) in verdict.differing.items()]
            print(f"differs: {path}: {', '.join(pairs)}")
        else:
            said = f"{len(verdict.found)} scores from the {verdict.evidence}"
            unproven = f"; nothing proves {', '.join(verdict.unproven)}" if verdict.unproven else ""
            print(f"verified: {path}: {said}{unproven}")
            if given.write:
                write_verified(verdict)
    print(f"{len(paths) - wrong - bare} of {len(paths)} results verified, {bare} with numbers alone, {wrong} wrong")
    return SOME_FAILED if wrong else DONE
