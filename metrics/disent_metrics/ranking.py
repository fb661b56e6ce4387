"""Unsupervised disentanglement ranking as a torchmetrics class: numbers of a set of models, not of one."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from disent_metrics.functional.udr import LASSO_PENALTY, Relation, unsupervised_disentanglement_ranking
from disent_metrics.metric import ScoreMetric, as_rows, concatenated


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
