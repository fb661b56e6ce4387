"""A job is the folder of a run, which holds all that is needed to run it, and afterwards how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from disent_bench.runs.folder import RunFolder, RunKey
from disent_bench.runs.result import Failure, Scoring
from disent_bench.runs.train import Outcome


@dataclass(frozen=True)
class Job:
    """A run to be made.

    Attributes:
        name: its name for people.
        key: its key.
        folder: its folder, laid out.
        scoring: how it is to be scored.
        steps: how many it has.
        device: on which it runs, as Lightning's ``accelerator``.
        data_dir: where the data are; None for where they are by default.
    """

    name: str
    key: RunKey
    folder: RunFolder
    scoring: Scoring
    steps: int
    device: str = "auto"
    data_dir: Path | None = None

    @property
    def words(self) -> list[str]:
        """Arguments of ``disent-bench`` that run the folder."""
        data = [] if self.data_dir is None else ["--data-dir", str(self.data_dir)]
        return ["resume", str(self.folder.path.absolute()), "--device", self.device, *data]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.folder.is_scored(self.scoring)

    def outcome(self) -> Outcome | None:
        """Return how the run ended, by what its folder holds; None if it holds neither result nor failure."""
        try:
            if self.is_done:
                return Outcome(self.key, self.folder.path, "done")
        except ValueError as error:
            return Outcome(self.key, self.folder.path, "failed", str(error))
        if not self.folder.failure.exists():
            return None
        try:
            reason = Failure.read(self.folder.failure).reason
        except ValueError as error:
            reason = f"{self.folder.failure}: {error}"
        return Outcome(self.key, self.folder.path, "failed", reason)
