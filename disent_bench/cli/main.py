"""The command line: ``disent-bench VERB ...``, also ``python -m disent_bench``."""

from __future__ import annotations

import argparse
import os
import re
import select
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from disent_bench.cli.endings import DONE, INTERRUPTED, complain
from disent_bench.cli.parser import build_parser, verb
from disent_bench.runs.stop import SIGNALS, interrupt, take_unheeded
from disent_bench.text import one_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0 done, 1 some runs failed, 2 bad input, 130 interrupted."""
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    try:
        given = build_parser().parse_args(arguments)
    except argparse.ArgumentError as error:
        return complain(_hinted(one_line(error), sys.argv[1:] if arguments is None else arguments))
    try:
        with _interruptible(), _limited_threads(given[given.verb].get("threads")):
            status = verb(given.verb)(given[given.verb])
        if sys.stdout is not None:  # as it is where it was closed
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        with suppress(OSError, ValueError):  # what is still to be written at exit goes nowhere, without a word
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (ValueError, OSError) as error:
        if given[given.verb].debug:
            raise
        return complain(_message(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM, with which schedulers end a process, do what Ctrl-C does, and let neither be lost."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    take_unheeded()
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        take_unheeded()


@contextmanager
def _limited_threads(number: int | None) -> Iterator[None]:
    """Let torch, scores and whatever is started here have so many threads, or as many as they would."""
    if number is None:
        yield
        return
    if number < 1:
        raise ValueError(f"--threads is at least 1, not {number}")
    told = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(number)
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if told is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = told


def _hinted(message: str, arguments: Sequence[str]) -> str:
    """What the parser says, in the words of the command line; a setting written as an argument is put in its place."""
    if typed := re.fullmatch(r"Parser key \"(\w+)\": Expected a <class 'int'>. Got value: (.*)", message):
        return f"--{typed[1].replace('_', '-')} is a whole number, not {typed[2]}"
    if "run" not in arguments[:1]:
        return message
    found = re.search(r"nrecognized arguments: (?:--)?([a-z]\w*)(?:[ =](\S+))?", message)
    if found is None:
        return message
    return f"{message}; settings of a run are changed with --set {found[1]}={found[2] or 'VALUE'}"


def _nobody_reads() -> bool:
    """Whether the reader of stdout is gone, as that of ``... | head`` is once it has seen enough."""
    try:
        watch = select.poll()
        watch.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & select.POLLERR for _, event in watch.poll(0))
    except (OSError, ValueError):
        return False


def _message(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return one_line(error)
