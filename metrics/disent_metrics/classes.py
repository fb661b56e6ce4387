"""Every score as a torchmetrics class, and the ranking of models."""

from typing import Any

import torch  # noqa: F401 (examples use it)

from disent_metrics.functional.geometry import Cost, Transport
from disent_metrics.functional.topology import Divergence
from disent_metrics.metric import BatchMean, CodesMetric, GridMetric, SplitMetric, UnlabelledMetric
from disent_metrics.ranking import UnsupervisedDisentanglementRanking as UnsupervisedDisentanglementRanking


class MutualInformationGap(CodesMetric):
    """Mutual information gap (MIG); see ``disent_metrics.functional.mutual_information_gap``.

    >>> metric = MutualInformationGap()
    >>> grid = torch.cartesian_prod(torch.arange(20), torch.arange(20))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    tensor(1.)
    """

    score = "mig"


class DCI(SplitMetric):
    """Disentanglement, completeness and informativeness; see ``disent_metrics.functional.dci``.

    >>> metric = DCI()
    >>> grid = torch.cartesian_prod(torch.arange(3), torch.arange(4), torch.arange(12))[:, :2]
    >>> metric.update(grid * 1.0, grid)
    >>> metric.update(grid * 1.0, grid, test=True)
    >>> metric.compute()["dci_informativeness_test"]
    tensor(1.)
    """

    score = "dci"


class SAP(SplitMetric):
    """Separated attribute predictability; see ``disent_metrics.functional.sap``.

    >>> metric = SAP()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(100))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()
    tensor(0.5000)
    """

    score = "sap"


class Modularity(CodesMetric):
    """Modularity; see ``disent_metrics.functional.modularity``.

    >>> metric = Modularity()
    >>> grid = torch.cartesian_prod(torch.arange(20), torch.arange(20))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    tensor(1.)
    """

    score = "modularity"


class ActiveModularity(CodesMetric):
    """Modularity of active code dimensions; see ``disent_metrics.functional.active_modularity``.

    >>> metric = ActiveModularity()
    >>> grid = torch.cartesian_prod(torch.arange(20), torch.arange(20))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    tensor(1.)
    """

    score = "active_modularity"


class Minimality(CodesMetric):
    """Minimality; see ``disent_metrics.functional.minimality``.

    >>> metric = Minimality()
    >>> grid = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    tensor(1.)
    """

    score = "minimality"


class Sufficiency(CodesMetric):
    """Sufficiency; see ``disent_metrics.functional.sufficiency``.

    >>> metric = Sufficiency()
    >>> grid = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    tensor(1.)
    """

    score = "sufficiency"


class Explicitness(SplitMetric):
    """Explicitness; see ``disent_metrics.functional.explicitness``.

    >>> metric = Explicitness()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(250))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()
    {'explicitness_train': tensor(1.), 'explicitness_test': tensor(1.)}
    """

    score = "explicitness"


class InterventionalRobustness(CodesMetric):
    """Interventional robustness score (IRS); see ``disent_metrics.functional.interventional_robustness``.

    >>> metric = InterventionalRobustness()
    >>> grid = torch.cartesian_prod(torch.arange(20), torch.arange(20))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    tensor(1.)
    """

    score = "irs"


class InfoMEC(CodesMetric):
    """InfoM, InfoE and InfoC; see ``disent_metrics.functional.info_mec``.

    >>> metric = InfoMEC(discrete_codes=True)
    >>> grid = torch.cartesian_prod(torch.arange(20), torch.arange(20))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()["info_c"]
    tensor(1.)
    """

    score = "info_mec"


class FactorVAEScore(GridMetric):
    """FactorVAE score from the codes of a whole factor grid; see
    ``disent_metrics.functional.factor_vae_score``.

    >>> metric = FactorVAEScore(num_train=50, num_eval=20, num_variance=100)
    >>> grid = torch.cartesian_prod(torch.arange(3), torch.arange(4))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    {'factor_vae_train': tensor(1.), 'factor_vae_eval': tensor(1.)}
    """

    score = "factor_vae"


class BetaVAEScore(GridMetric):
    """BetaVAE score from the codes of a whole factor grid; see ``disent_metrics.functional.beta_vae_score``.

    >>> metric = BetaVAEScore(num_train=200, num_eval=100)
    >>> grid = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    {'beta_vae_train': tensor(1.), 'beta_vae_eval': tensor(1.)}
    """

    score = "beta_vae"


class FactorizedSupport(UnlabelledMetric):
    """Factorisation of support (FoS); see ``disent_metrics.functional.factorized_support``.

    >>> metric = FactorizedSupport()
    >>> metric.update(torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [3.0, 3.0]]))
    >>> metric.compute()
    tensor(4.)
    """

    score = "factorized_support"


class UnsupervisedScores(UnlabelledMetric):
    """Dependence between code dimensions; see ``disent_metrics.functional.unsupervised_scores``.

    >>> metric = UnsupervisedScores()
    >>> metric.update(torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0)))
    >>> abs(metric.compute()["mutual_info_score"]) < 1e-6
    tensor(True)
    """

    score = "unsupervised"


class DownstreamTrees(SplitMetric):
    """Downstream accuracy of boosted trees; see ``disent_metrics.functional.downstream_trees``.

    >>> metric = DownstreamTrees()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(250))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()["downstream_trees_full"]
    tensor(1.)
    """

    score = "downstream_trees"


class DownstreamLogistic(SplitMetric):
    """Downstream accuracy of logistic regression; see ``disent_metrics.functional.downstream_logistic``.

    >>> metric = DownstreamLogistic()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(250))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()["downstream_logistic_full"]
    tensor(1.)
    """

    score = "downstream_logistic"


class HFSMutualInformationGap(CodesMetric):
    """Mutual information gap with binned factors; see ``disent_metrics.functional.hfs_mig``.

    >>> metric = HFSMutualInformationGap()
    >>> grid = torch.cartesian_prod(torch.arange(40), torch.arange(40))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    tensor(1.)
    """

    score = "hfs_mig"


class HFSModularity(CodesMetric):
    """Modularity with binned factors; see ``disent_metrics.functional.hfs_modularity``.

    >>> metric = HFSModularity()
    >>> grid = torch.cartesian_prod(torch.arange(40), torch.arange(40))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    tensor(1.)
    """

    score = "hfs_modularity"


class HFSDCI(SplitMetric):
    """DCI on min-max scaled codes; see ``disent_metrics.functional.hfs_dci``.

    >>> metric = HFSDCI()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(250))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()["hfs_dci_informativeness_test"]
    tensor(1.)
    """

    score = "hfs_dci"


class HFSSAP(SplitMetric):
    """SAP on binned codes and factors; see ``disent_metrics.functional.hfs_sap``.

    >>> metric = HFSSAP()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(250))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()
    tensor(0.5000)
    """

    score = "hfs_sap"


class ReconstructionError(BatchMean):
    """Mean squared reconstruction error per pixel; see ``disent_metrics.functional.reconstruction_error``.

    >>> metric = ReconstructionError()
    >>> metric.update(torch.zeros(2, 3), torch.full((2, 3), 0.5))
    >>> metric.compute()
    tensor(0.2500, dtype=torch.float64)
    """

    score = "reconstruction"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__({}, **kwargs)


class TraversalTopology(BatchMean):
    """Topology divergence of latent traversals; see ``disent_metrics.functional.topology_score``.

    >>> metric = TraversalTopology(lambda a, b: abs(a - b).max().round(6))
    >>> cloud = torch.rand(8, 5, generator=torch.manual_seed(0))
    >>> metric.update(cloud, torch.stack([cloud + 1.0, 2.0 * cloud]))
    >>> metric.compute()["traversal_rtd_max"]
    tensor(0., dtype=torch.float64)
    """

    score = "topology"

    def __init__(self, divergence: Divergence, **kwargs: Any) -> None:
        super().__init__({}, (divergence,), **kwargs)


class Geometry(BatchMean):
    """Distortion and Gromov-Monge gap of encoder and decoder; see ``disent_metrics.functional.geometry_score``.

    >>> metric = Geometry(lambda a, b: 0.0)
    >>> cloud = torch.rand(8, 5, generator=torch.manual_seed(0))
    >>> metric.update(cloud, -cloud, cloud)
    >>> metric.compute()["decoder_distortion"] < 1e-12
    tensor(True)
    """

    score = "geometry"

    def __init__(self, gromov_wasserstein: Transport, *, cost: Cost = "cosine", **kwargs: Any) -> None:
        super().__init__({"cost": cost}, (gromov_wasserstein,), **kwargs)
