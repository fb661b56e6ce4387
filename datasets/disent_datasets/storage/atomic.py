"""Atomic writes of small files."""

from __future__ import annotations

import os
from pathlib import Path


def unfinished(path: Path) -> Path:
    """Where a file is written before it takes its name; left behind only by a killed process."""
    return path.with_name(f".{path.name.lstrip('.')}.tmp")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that reaches the disk and then takes its name in one step, in place of an older one."""
    temporary = unfinished(path)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
