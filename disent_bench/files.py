"""Atomic writes of files, and the folders that come with the package."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def shipped(*parts: str) -> Path:
    """Return a folder that comes with the package: inside an installed one, beside the package in a checkout."""
    package = Path(__file__).parent
    installed = package.joinpath(*parts)
    return installed if installed.is_dir() else package.parent.joinpath(*parts)


def write_atomically(path: Path, content: str | bytes | memoryview) -> None:
    """Write ``content`` so that a reader, or a crash, meets the old file or the whole new one.

    The content (text as UTF-8, line ends as they are) goes to a hidden file in the same folder, reaches the
    disk, and takes the name in one step. The new file has the permissions of any new file there.

    Raises:
        OSError: if the folder is missing, read-only or full; ``path`` is then as it was and nothing is left
            beside it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is not None:  # which nobody has heard of
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
