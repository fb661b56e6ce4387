"""Plug-ins: Python files and installed packages that register what is the user's."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

GROUP = "disent_bench.plugins"


def load_plugin(path: str | Path) -> None:
    """Import the Python file ``path``, so that its decorators register what it defines.

    Its folder is searched for the modules that it imports.

    Raises:
        ValueError: if there is no such file, or it cannot be imported (the message carries the reason).
    """
    if not Path(path).is_file():
        raise ValueError(f"plugin '{path}' is not a file; give the path of a Python file")
    file = Path(path).resolve()
    module_name = f"disent_plugin_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"plugin '{path}' is not a Python file; its name has to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their module up while they are defined
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise ValueError(f"plugin '{path}' failed to import: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(file.parent))


def load_plugins(paths: Iterable[str | Path] = ()) -> None:
    """Load what installed packages offer under the entry-point group ``disent_bench.plugins``, then ``paths``.

    Raises:
        ValueError: if one cannot be loaded; the message names it.
    """
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            raise ValueError(f"plugin '{entry.value}' failed to load: {type(error).__name__}: {error}") from error
    for path in paths:
        load_plugin(path)
