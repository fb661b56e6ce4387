"""Exit statuses, and what is said on the way out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from disent_bench.text import one_line, shortened

if TYPE_CHECKING:
    from disent_bench.runs.train import Outcome

DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def conclude(outcomes: Mapping[str, Outcome]) -> int:
    """Say on stderr which runs failed, or how to resume, and return the exit status."""
    if any(outcome.status == "interrupted" for outcome in outcomes.values()):
        print("interrupted; the same command resumes from the last step", file=sys.stderr)
        return INTERRUPTED
    bad = {name: outcome.reason for name, outcome in outcomes.items() if outcome.status in ("failed", "busy")}
    failed = [f"{name}: {reason}" for name, reason in bad.items()]
    if failed:
        print(f"{len(failed)} of {len(outcomes)} runs failed: {'; '.join(failed)}", file=sys.stderr)
        return SOME_FAILED
    return DONE


def complain(message: str) -> int:
    """Say what is wrong with the input, and return the exit status."""
    print(f"disent-bench: {shortened(one_line(message))}", file=sys.stderr)
    return BAD_INPUT
