"""Scores of disentangled representations: torchmetrics classes, a suite with named protocols, and a registry.

``disent_metrics.functional`` holds the same scores as pure functions. Nothing here imports Lightning, and
torch is imported only when one of the classes is used.
"""

from typing import TYPE_CHECKING

from disent_metrics.encode import GridCodes
from disent_metrics.lazy import lazy_exports
from disent_metrics.protocol import PROTOCOLS, ScoreProtocol, get_protocol
from disent_metrics.registry import Key, Score, get_score, higher_is_better, register_score, scores
from disent_metrics.suite import SuiteResult, evaluate, evaluate_codes

if TYPE_CHECKING:
    from disent_metrics.batch_mean import Geometry, ReconstructionError, TraversalTopology
    from disent_metrics.beta_vae import BetaVAEScore
    from disent_metrics.correlated_factors import HFSDCI, HFSSAP, HFSModularity, HFSMutualInformationGap
    from disent_metrics.dci import DCI
    from disent_metrics.downstream import DownstreamLogistic, DownstreamTrees
    from disent_metrics.explicitness import Explicitness
    from disent_metrics.factor_vae import FactorVAEScore
    from disent_metrics.factorized_support import FactorizedSupport
    from disent_metrics.info_mec import InfoMEC
    from disent_metrics.interventional_robustness import InterventionalRobustness
    from disent_metrics.modularity import ActiveModularity, Modularity
    from disent_metrics.mutual_information_gap import MutualInformationGap
    from disent_metrics.sap import SAP
    from disent_metrics.udr import UnsupervisedDisentanglementRanking
    from disent_metrics.unsupervised import UnsupervisedScores

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
    "Modularity",
    "MutualInformationGap",
    "ReconstructionError",
    "Score",
    "ScoreProtocol",
    "SuiteResult",
    "TraversalTopology",
    "UnsupervisedDisentanglementRanking",
    "UnsupervisedScores",
    "evaluate",
    "evaluate_codes",
    "get_protocol",
    "get_score",
    "higher_is_better",
    "register_score",
    "scores",
]

CLASSES = {
    "ActiveModularity": "modularity",
    "BetaVAEScore": "beta_vae",
    "DCI": "dci",
    "DownstreamLogistic": "downstream",
    "DownstreamTrees": "downstream",
    "Explicitness": "explicitness",
    "FactorVAEScore": "factor_vae",
    "FactorizedSupport": "factorized_support",
    "Geometry": "batch_mean",
    "HFSDCI": "correlated_factors",
    "HFSModularity": "correlated_factors",
    "HFSMutualInformationGap": "correlated_factors",
    "HFSSAP": "correlated_factors",
    "InfoMEC": "info_mec",
    "InterventionalRobustness": "interventional_robustness",
    "Modularity": "modularity",
    "MutualInformationGap": "mutual_information_gap",
    "ReconstructionError": "batch_mean",
    "SAP": "sap",
    "TraversalTopology": "batch_mean",
    "UnsupervisedDisentanglementRanking": "udr",
    "UnsupervisedScores": "unsupervised",
}
__getattr__, __dir__ = lazy_exports(__name__, CLASSES)
