"""Plug-ins: Python files and installed packages that register what is the user's."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

GROUP = "disent_bench.plugins"


def load_plugin(path: str | Path) -> None:
    """Import a Python file, or a module by its dotted name, so that its decorators register what it defines.

    A file's folder is searched for the modules that it imports.

    Raises:
        ValueError: if there is no such file or module, or it cannot be imported (the message carries the reason).
    """
    if not Path(path).is_file():
        if not all(part.isidentifier() for part in str(path).split(".")) or str(path).endswith(".py"):
            raise ValueError(f"plugin '{path}' is not a file; give the path of a Python file, or the name of a module")
        with blamed(f"plugin '{path}' is not a file, and as a module it failed to import"):
            import_module(str(path))
        return
    file = Path(path).resolve()
    module_name = f"disent_plugin_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"plugin '{path}' is not a Python file; its name has to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their module up while they are defined
    sys.path.insert(0, str(file.parent))
    try:
        with blamed(f"plugin '{path}' failed to import"):
            spec.loader.exec_module(module)
    except ValueError:
        del sys.modules[module_name]
        raise
    finally:
        sys.path.remove(str(file.parent))


def load_plugins(paths: Iterable[str | Path] = ()) -> None:
    """Load what installed packages offer under the entry-point group ``disent_bench.plugins``, then ``paths``.

    Raises:
        ValueError: if one cannot be loaded; the message names it.
    """
    for entry in entry_points(group=GROUP):
        with blamed(f"plugin '{entry.value}' failed to load"):
            entry.load()
    for path in paths:
        load_plugin(path)


@contextmanager
def blamed(who: str, *, spoken: bool = False) -> Iterator[None]:
    """Turn whatever goes wrong, a plug-in that ends Python included, into one line that says who and where.

    Args:
        who: what is at fault.
        spoken: leave a ValueError as it is, for it says in our words what is wrong.

    Raises:
        ValueError: with the line.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if spoken and isinstance(error, ValueError):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        place = next((f" ({each.filename}:{each.lineno})" for each in reversed(frames) if _is_of_a_plugin(each)), "")
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"{who}: {said}{place}") from error


def _is_of_a_plugin(frame: traceback.FrameSummary) -> bool:
    return not frame.filename.startswith(("<", str(Path(__file__).parent), sys.prefix, sys.base_prefix))
