"""One mathematical term per file; their classes can be imported from here."""

from typing import Any

from disent_bench.registry import TERMS, import_modules

import_modules(__name__)


def __getattr__(name: str) -> Any:
    for entry in TERMS.entries():
        if entry.factory.__name__ == name and entry.factory.__module__.startswith(f"{__name__}."):
            return entry.factory
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(entry.factory.__name__ for entry in TERMS.entries())


def make_term(name: str, **settings: Any) -> Any:
    """Build a registered term by name."""
    return TERMS[name].factory(**settings)
