"""Scores of disentangled representations: torchmetrics classes, a suite with named protocols, and a registry.

``disent_metrics.functional`` holds the same scores as pure functions. Nothing here imports Lightning, and
torch is imported only when one of the classes is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from disent_metrics.catalogue import get_score, higher_is_better, score_range, scores
from disent_metrics.encode import GridCodes
from disent_metrics.grouping import evaluate_groups
from disent_metrics.protocol import PROTOCOLS, ScoreProtocol, get_protocol
from disent_metrics.registry import Key, Score, register_score
from disent_metrics.suite import SuiteResult, evaluate, evaluate_codes

if TYPE_CHECKING:
    from disent_metrics.classes import (
        DCI,
        HFSDCI,
        HFSSAP,
        SAP,
        ActiveModularity,
        BetaVAEScore,
        DownstreamLogistic,
        DownstreamTrees,
        Explicitness,
        FactorizedSupport,
        FactorVAEScore,
        Geometry,
        HFSModularity,
        HFSMutualInformationGap,
        InfoMEC,
        InterventionalRobustness,
        Minimality,
        Modularity,
        MutualInformationGap,
        ReconstructionError,
        Sufficiency,
        TraversalTopology,
        UnsupervisedDisentanglementRanking,
        UnsupervisedScores,
    )

__all__ = [
    "DCI",
    "HFSDCI",
    "HFSSAP",
    "PROTOCOLS",
    "SAP",
    "ActiveModularity",
    "BetaVAEScore",
    "DownstreamLogistic",
    "DownstreamTrees",
    "Explicitness",
    "FactorVAEScore",
    "FactorizedSupport",
    "Geometry",
    "GridCodes",
    "HFSModularity",
    "HFSMutualInformationGap",
    "InfoMEC",
    "InterventionalRobustness",
    "Key",
    "Minimality",
    "Modularity",
    "MutualInformationGap",
    "ReconstructionError",
    "Score",
    "ScoreProtocol",
    "Sufficiency",
    "SuiteResult",
    "TraversalTopology",
    "UnsupervisedDisentanglementRanking",
    "UnsupervisedScores",
    "evaluate",
    "evaluate_codes",
    "evaluate_groups",
    "get_protocol",
    "get_score",
    "higher_is_better",
    "register_score",
    "score_range",
    "scores",
]

CLASSES = tuple(name for name in __all__ if name not in globals())


def __getattr__(name: str) -> Any:
    """Import torch only when one of the classes is asked for."""
    if name not in CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("disent_metrics.classes"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "functional"])
