"""Benchmark suite for disentangled representation learning: methods are sums of terms, runs are folders.

What a plug-in or a notebook needs can be imported from here; each name is loaded when it is first used.
"""

import atexit
import os
import shutil
import tempfile
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from disent_datasets import register_dataset
    from disent_metrics import register_score

    from disent_bench import plots
    from disent_bench.bottlenecks.bottleneck import Bottleneck
    from disent_bench.config.resolve import resolve
    from disent_bench.forward import Pass
    from disent_bench.front import run, score
    from disent_bench.leaderboard.frame import Leaderboard as leaderboard
    from disent_bench.leaderboard.frame import results
    from disent_bench.objective import Objective, SkipStep, Term
    from disent_bench.players import Optimizer, Player
    from disent_bench.registry import register_bottleneck, register_method, register_network, register_term
    from disent_bench.runs.model import load_run
    from disent_bench.runs.pretrained import load_pretrained
    from disent_bench.runs.series import run_seeds
    from disent_bench.weights import Weight

# Read when torch is loaded. Threads that wait by spinning take the cores from whatever else runs, each other included.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _compile_somewhere() -> None:
    """Give numba a folder of this process where it could write none of its own, for it refuses to compile then."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    nearest = next((each for each in (cache, *cache.parents) if each.exists()), Path("/"))
    if "NUMBA_CACHE_DIR" in os.environ or any(os.access(each, os.W_OK) for each in (Path(__file__).parent, nearest)):
        return
    folder = tempfile.mkdtemp(prefix="disent-bench-compiled-")
    os.environ["NUMBA_CACHE_DIR"] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


_compile_somewhere()

__version__ = version("disent-bench")

__all__ = [
    "Bottleneck",
    "Objective",
    "Optimizer",
    "Pass",
    "Player",
    "SkipStep",
    "Term",
    "Weight",
    "leaderboard",
    "load_pretrained",
    "load_run",
    "plots",
    "register_bottleneck",
    "register_dataset",
    "register_method",
    "register_network",
    "register_score",
    "register_term",
    "resolve",
    "results",
    "run",
    "run_seeds",
    "score",
]

_HOMES = {
    "Bottleneck": "disent_bench.bottlenecks.bottleneck",
    "Objective": "disent_bench.objective",
    "Optimizer": "disent_bench.players",
    "Pass": "disent_bench.forward",
    "Player": "disent_bench.players",
    "SkipStep": "disent_bench.objective",
    "Term": "disent_bench.objective",
    "Weight": "disent_bench.weights",
    "load_pretrained": "disent_bench.runs.pretrained",
    "load_run": "disent_bench.runs.model",
    "register_bottleneck": "disent_bench.registry",
    "register_dataset": "disent_datasets",
    "register_method": "disent_bench.registry",
    "register_network": "disent_bench.registry",
    "register_score": "disent_metrics",
    "register_term": "disent_bench.registry",
    "resolve": "disent_bench.config.resolve",
    "results": "disent_bench.leaderboard.frame",
    "run": "disent_bench.front",
    "run_seeds": "disent_bench.runs.series",
    "score": "disent_bench.front",
}
_MODULES = ("leaderboard", "plots")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
