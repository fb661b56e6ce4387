"""What the geometric terms share: which map they look at, and at which points."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.costs import COSTS, STATISTICS, Cost, Statistic, UndefinedCostError, is_constant
from disent_bench.host import is_recorded
from disent_bench.objective import SkipStep, Term, choose

Side = Literal["decoder", "encoder"]


class GeometricTerm(Term):
    """A term on how a map, encoder or decoder, treats the geometry of a batch.

    The decoder maps latents to images, the encoder images to latents; the batch is the reference law (Uscidda et al.
    2025, section 3).

    Args:
        side: the map, ``"decoder"`` (the paper's best setting) or ``"encoder"``.
        cost: geometric feature compared on both sides (`disent_bench.functional.costs.cost_matrix`); ``"cosine"`` is
            the paper's best.
        scale: statistic of the cost ``"scaled_sqeuclidean"``; which one the paper takes was not found.
        latents: ``"sample"`` or ``"mean"`` of the posterior; which one the paper takes was not found. The decoding of
            the sample is the base's own, that of the mean costs another pass of the decoder.
        pixels: decoded images enter as ``"probability"`` or ``"logit"``; which one the paper takes was not found.
        subset: how many images of the batch are looked at, drawn at random; None for all.
    """

    def __init__(
        self,
        *,
        side: Side = "decoder",
        cost: Cost = "cosine",
        scale: Statistic = "mean",
        latents: Literal["sample", "mean"] = "sample",
        pixels: Literal["probability", "logit"] = "probability",
        subset: int | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        choose("side", side, ("decoder", "encoder"))
        choose("cost", cost, COSTS)
        choose("scale", scale, STATISTICS)
        choose("latents", latents, ("sample", "mean"))
        choose("pixels", pixels, ("probability", "logit"))
        if subset is not None and subset < 2:
            raise ValueError(f"subset is at least 2 images, or null for the whole batch, not {subset}")
        self.side, self.cost, self.scale = side, cost, scale
        self.latents, self.pixels, self.subset = latents, pixels, subset
        of_side = {"decoder", "fitted"} if side == "decoder" else set()
        self.needs = frozenset(of_side | ({"posterior"} if latents == "mean" else set()))

    def points(self, p: Pass) -> tuple[Tensor, Tensor]:
        """Return the points of the batch and their images under the map, each flattened to ``(n, dimensions)``."""
        codes = p.z if self.latents == "sample" else p.mean
        rows = slice(None) if self.subset is None else self._chosen(codes)
        if self.side == "encoder":
            x, y = p.x[rows].flatten(1), codes[rows]
        else:
            logits = p.logits if self.latents == "sample" else p.decode(codes[rows])
            logits = logits[rows] if self.latents == "sample" else logits
            x, y = codes[rows], (torch.sigmoid(logits) if self.pixels == "probability" else logits).flatten(1)
        return x, y

    def _chosen(self, codes: Tensor) -> Tensor:
        order = torch.randperm(len(codes), generator=self.generator(codes.device), device=codes.device)
        return order[: self.subset]

    def compare(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the term's value at matched points, each of shape ``(n, dimensions)``.

        Raises:
            UndefinedCostError: if one of the two has no variance, so that its cost has no scale.
        """
        raise NotImplementedError

    def forward(self, p: Pass) -> Tensor:
        """Return the value at the batch and its image under the map, in squared units of the cost.

        Raises:
            SkipStep: if one of the two has no variance.
        """
        if is_recorded():
            return self.compare(*(self._with_variance(each) for each in self.points(p)))
        try:
            return self.compare(*self.points(p))
        except UndefinedCostError:
            raise SkipStep from None

    def _with_variance(self, x: Tensor) -> Tensor:
        """The points, or others in their place whose costs are finite if the term is left out."""
        undefined = is_constant(x, self.cost) | ~x.detach().isfinite().all()
        self.leave_out(undefined)
        return torch.where(undefined, torch.eye(*x.shape, dtype=x.dtype, device=x.device), x)
