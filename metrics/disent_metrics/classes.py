"""Every score as a torchmetrics class."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from disent_metrics.functional.geometry import Cost, Transport
from disent_metrics.functional.topology import Divergence
from disent_metrics.functional.udr import LASSO_PENALTY, Relation, unsupervised_disentanglement_ranking
from disent_metrics.metric import (
    BatchMean,
    CodesMetric,
    GridMetric,
    ScoreMetric,
    SplitMetric,
    UnlabelledMetric,
    as_rows,
    concatenated,
)


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


class UnsupervisedDisentanglementRanking(ScoreMetric):
    """Unsupervised disentanglement ranking (UDR) of Duan et al.: a number per model, without factors.

    See ``disent_metrics.functional.unsupervised_disentanglement_ranking``. It ranks a set of models instead of
    scoring one, so it is not a registered score. The models' codes are kept side by side, one row per image: batches,
    and processes that saw different images, merge by concatenation.

    Args:
        relation: ``"lasso"`` or ``"spearman"``.
        kl_threshold: Latents with a KL divergence up to this are uninformative, in nats.
        kwargs: Options of ``torchmetrics.Metric``.

    Attributes:
        higher_is_better: True.
        bounds: ``(low, high)`` of every model's number. Spearman is at most 1. Lasso is at most its largest
            coefficient, and their absolute sum at most a (1 - a) / 0.1 <= 2.5 where a is the norm of the prediction
            and 1 that of the target (from the optimality condition, multiplied by the coefficients).

    >>> latents = torch.randn(1000, 3, generator=torch.manual_seed(0), dtype=torch.float64)
    >>> rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    >>> metric = UnsupervisedDisentanglementRanking()
    >>> for rows in latents.chunk(4):
    ...     metric.update([rows, -rows.flip(1), rows @ rotation])
    >>> metric.compute()["udr"].argmin()
    tensor(2)
    """

    higher_is_better = True
    bounds: ClassVar[dict[str, tuple[float, float]]] = {"udr": (0.0, 1 / (4 * LASSO_PENALTY))}

    codes: list[Tensor]
    widths: list[Tensor]
    kl_totals: list[Tensor]
    kl_rows: Tensor

    def __init__(self, *, relation: Relation = "lasso", kl_threshold: float = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {"relation": relation, "kl_threshold": kl_threshold}
        for name in ("codes", "widths", "kl_totals"):
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self.add_state("kl_rows", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, codes: Tensor | Sequence[Tensor], kl: Tensor | Sequence[Any] | None = None) -> None:
        """Collect a batch of every model's codes of the same images.

        Args:
            codes: ``(models, n, d)``, or one ``(n, d_i)`` per model; the same models in the same order every time.
            kl: Mean KL divergence of every latent over the batch, in nats: ``(models, d)``, or one ``(d_i,)`` per
                model. ``compute`` averages over images. Given with every batch, or with none.

        Raises:
            ValueError: Fewer than two models, or shapes that differ.
        """
        given = [torch.as_tensor(model) for model in codes]
        if len(given) < 2 or any(model.ndim != 2 or len(model) != len(given[0]) for model in given):
            raise ValueError("codes must hold at least two models, each (n, d), with one row per image for all")
        models = [as_rows(model, "codes", self.device) for model in given]
        widths = [model.shape[1] for model in models]
        if kl is not None:
            rows = [torch.as_tensor(row, dtype=torch.float64, device=self.device).detach() for row in kl]
            if [row.shape for row in rows] != [(width,) for width in widths]:
                raise ValueError("kl must hold one number per latent for every model in codes")
            self.kl_totals.append(len(models[0]) * torch.cat(rows)[None])
            self.kl_rows += len(models[0])
        self.codes.append(torch.cat(models, dim=1))
        self.widths.append(torch.tensor([widths], device=self.device))

    def compute(self) -> dict[str, Tensor]:
        """One number per model, ``{"udr": (models,)}``, in the order of ``update``; higher is better.

        NaN, with one warning, where there are too few images.

        Raises:
            ValueError: Nothing was collected, the models changed between batches, ``kl`` came with some batches only,
                or the function refuses the data.
        """
        ranking = super().compute()
        assert isinstance(ranking, Tensor)
        return {"udr": ranking}

    def _numbers(self) -> dict[str, Tensor]:
        if len(self.codes) == 0:
            raise ValueError(f"{type(self).__name__} has seen no codes; call update(codes) first")
        seen = {tuple(row.tolist()) for block in self.widths for row in torch.atleast_2d(block)}
        if len(seen) > 1:
            raise ValueError(f"codes had models of widths {sorted(seen)}; every batch must hold the same models")
        widths = list(seen.pop())
        codes = concatenated(self.codes, "codes")
        kl = self._mean_kl(len(codes))
        ranking = unsupervised_disentanglement_ranking(
            codes.split(widths, dim=1), kl=None if kl is None else kl.cpu().split(widths), **self.settings
        )
        return {"udr": torch.tensor(ranking, device=self.device, dtype=torch.float32)}

    def _mean_kl(self, rows: int) -> Tensor | None:
        """Mean KL divergence over all images ``(sum of widths,)``; None if it was never given."""
        if self.kl_rows == 0:
            return None
        if self.kl_rows != rows:
            raise ValueError(f"kl came with {int(self.kl_rows)} of {rows} images; give it with every batch or none")
        return concatenated(self.kl_totals, "kl").sum(dim=0) / rows
