"""Scores as pure functions: array-likes or tensors in, ``dict[str, float]`` out.

Importing them loads numpy only; numba, scikit-learn and scipy are loaded by the score that needs them. A file in this
folder that registers a score is found without being named here.
"""

import importlib
import pkgutil

from disent_metrics.functional.beta_vae import beta_vae_score
from disent_metrics.functional.correlated_factors import hfs_dci, hfs_mig, hfs_modularity, hfs_sap
from disent_metrics.functional.dci import dci, dci_importance
from disent_metrics.functional.downstream import downstream_logistic, downstream_trees
from disent_metrics.functional.explicitness import explicitness
from disent_metrics.functional.factor_vae import factor_vae_score
from disent_metrics.functional.factorized_support import factorized_support
from disent_metrics.functional.geometry import geometry_score
from disent_metrics.functional.info_mec import info_mec
from disent_metrics.functional.interventional_robustness import interventional_robustness
from disent_metrics.functional.modularity import active_modularity, modularity
from disent_metrics.functional.mutual_information_gap import mutual_information_gap
from disent_metrics.functional.reconstruction import reconstruction_error
from disent_metrics.functional.sap import sap
from disent_metrics.functional.sufficiency import minimality, sufficiency
from disent_metrics.functional.topology import topology_score
from disent_metrics.functional.udr import unsupervised_disentanglement_ranking
from disent_metrics.functional.unsupervised import unsupervised_scores

__all__ = [
    "active_modularity",
    "beta_vae_score",
    "dci",
    "dci_importance",
    "downstream_logistic",
    "downstream_trees",
    "explicitness",
    "factor_vae_score",
    "factorized_support",
    "geometry_score",
    "hfs_dci",
    "hfs_mig",
    "hfs_modularity",
    "hfs_sap",
    "info_mec",
    "interventional_robustness",
    "minimality",
    "modularity",
    "mutual_information_gap",
    "reconstruction_error",
    "sap",
    "sufficiency",
    "topology_score",
    "unsupervised_disentanglement_ranking",
    "unsupervised_scores",
]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
