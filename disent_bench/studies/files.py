"""The studies that come with the package."""

from __future__ import annotations

from pathlib import Path

from disent_bench.files import shipped
from disent_bench.registry import unknown_name

FOLDERS = (("experiments", "studies"), ("examples",))


def study_files() -> dict[str, Path]:
    """Return the studies that come with the package by their names."""
    return {path.stem: path for parts in FOLDERS for path in sorted(shipped(*parts).glob("*.yaml"))}


def find_study(typed: Path) -> Path:
    """Return the file of a study: the path as it is, or one that comes with the package by its name."""
    if typed.exists() or len(typed.parts) > 1:
        return typed
    known = study_files()
    if typed.stem not in known:
        raise unknown_name("study", str(typed), known)
    return known[typed.stem]
