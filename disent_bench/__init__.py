"""Benchmark suite for disentangled representation learning: methods are sums of terms, runs are folders.

What a plug-in or a notebook needs can be imported from here; each name is loaded when it is first used.
"""

import os
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from disent_datasets import register_dataset
    from disent_metrics import register_score

    from disent_bench.bottlenecks.bottleneck import Bottleneck
    from disent_bench.forward import Pass
    from disent_bench.leaderboard.frame import results
    from disent_bench.objective import Objective, SkipStep, Term
    from disent_bench.players import Optimizer, Player
    from disent_bench.registry import register_bottleneck, register_method, register_network, register_term
    from disent_bench.runs.model import load_run
    from disent_bench.weights import Weight

# Read when torch is loaded. Threads that wait by spinning take the cores from whatever else runs, each other included.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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
    "load_run",
    "register_bottleneck",
    "register_dataset",
    "register_method",
    "register_network",
    "register_score",
    "register_term",
    "results",
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
    "load_run": "disent_bench.runs.model",
    "register_bottleneck": "disent_bench.registry",
    "register_dataset": "disent_datasets",
    "register_method": "disent_bench.registry",
    "register_network": "disent_bench.registry",
    "register_score": "disent_metrics",
    "register_term": "disent_bench.registry",
    "results": "disent_bench.leaderboard.frame",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
