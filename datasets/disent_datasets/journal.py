"""Says how much of a file that is being written is certainly on disk, so that work that was cut off can go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from disent_datasets.atomic import unfinished, write_whole


@dataclass(frozen=True)
class Note:
    """The finished part of a file of images.

    Args:
        made: how many images there are.
        last: how many of them came in the last block.
        sha256: of the file up to there.
    """

    made: int
    last: int
    sha256: str


class Journal:
    """One note on disk, replaced by each later one.

    Args:
        path: of the journal.
        about: what is being written, as JSON has it; a note about anything else is not read.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        self.about = about

    def write(self, note: Note) -> None:
        """Replace the note; what it says of must have reached the disk."""
        text = json.dumps({"about": self.about} | asdict(note), indent=2) + "\n"
        write_whole(self.path, text.encode())

    def read(self) -> Note | None:
        """The note, or None if there is none, or it cannot be read, or is about something else."""
        try:
            found = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict) or found.pop("about", None) != self.about:
            return None
        if {key: type(value) for key, value in found.items()} != {"made": int, "last": int, "sha256": str}:
            return None
        note = Note(**found)
        return note if 0 < note.last <= note.made else None

    def remove(self) -> None:
        """Forget it, and what a process that was killed while it wrote has left of it."""
        self.path.unlink(missing_ok=True)
        unfinished(self.path).unlink(missing_ok=True)
