"""The command line: ``disent-bench VERB ...``, also ``python -m disent_bench``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from disent_bench.cli.endings import INTERRUPTED, complain
from disent_bench.cli.parser import build_parser, verb


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0 done, 1 some runs failed, 2 bad input, 130 interrupted."""
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    try:
        given = build_parser().parse_args(arguments)
    except argparse.ArgumentError as error:
        return complain(" ".join(str(error).split()))
    try:
        with _ended_like_ctrl_c():
            return verb(given.verb)(given[given.verb])
    except (ValueError, OSError) as error:
        return complain(_message(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, with which schedulers end a process, do what Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _message(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
