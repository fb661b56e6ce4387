"""The topological loss of TopDis on a traversal of one latent."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from disent_bench.forward import Pass
from disent_bench.functional.distances import euclidean_distances, scale_by_quantile
from disent_bench.functional.rtd import rtd_loss
from disent_bench.host import is_recorded
from disent_bench.objective import Term, choose
from disent_bench.registry import register_term

MIN_POINTS = 4


@register_term("topological", paper="arXiv:2308.12696")
class Topological(Term):
    """Representation topology divergence of decoded latents and the same with one axis shifted (Balabin et al. 2024).

    One latent ``i`` is drawn per step. With ``m, s`` the batch's mean and standard deviation of ``z_i`` and Phi the
    normal CDF, every point moves to ``z'_i = Phi^-1(Phi((z_i - m) / s) + C) s + m``, one random sign of C for the
    whole batch; points that leave (0, 1) are dropped (eq. 1 and algorithm 1). The value is the symmetrised sum
    of H1 bar lengths of the min and the max graph of the two clouds of decoded images (authors' code,
    ``MinMaxRTDLoss``), a pure number (distances are divided by a quantile).

    Where the authors' code and the paper, as far as it could be read, differ, the default is the sound choice:

    * ``routing="exact"`` differentiates the bar lengths themselves; ``"official"`` reads some bar ends from substitute
      matrices, as the released code does, which changes value and gradient (see
      `disent_bench.functional.rtd.rtd_loss`). Either way the quantile that distances are divided by is held constant,
      as in the released code, so what is descended also shrinks or stretches the cloud, which the logged value does
      not see; exact routing with ``quantile=None`` descends what is logged.
    * Samples have standard deviation ``exp(logvar / 2)``; the released beta-TCVAE variant takes log-sigma for
      log-variance.
    * The gradient is projected against the reconstruction's (set ``orthogonal_to``) for every base; the released code
      does so for FactorVAE and beta-VAE only.

    Args:
        shift: size C of the shift in CDF units; 1/8 in the authors' code.
        power: exponent of the bar lengths, 1 or 2 in the paper.
        max_bars: how many of the longest bars each graph contributes (50 in the authors' code); None for all.
        axis: ``"weight_norm"`` draws the latent with probability proportional to the L2 norm of its weights in the
            decoder's first layer, ``"uniform"`` evenly.
        latents: ``"sample"`` moves posterior samples (every released script), ``"mean"`` posterior means.
        batch: ``"same"`` uses the step's batch, whose decoding the base already has; ``"second"`` an independent one,
            as the released FactorVAE and beta-VAE variants do.
        quantile: each distance matrix is divided by this quantile of its entries, held constant; None divides by
            sqrt(n).
        routing: ``"exact"`` or ``"official"``.
        max_deviation: points are dropped too where the moved latent lies more than this many standard deviations from
            the mean. The slope of the shift has no bound, dz'/dz = phi(u) / phi(u'); this gives it one. None, as in
            the paper and the authors' code, keeps them (`docs/decisions.md` tells what it does).
    """

    def __init__(
        self,
        *,
        shift: float = 0.125,
        power: float = 1.0,
        max_bars: int | None = 50,
        axis: Literal["weight_norm", "uniform"] = "weight_norm",
        latents: Literal["sample", "mean"] = "sample",
        batch: Literal["same", "second"] = "same",
        quantile: float | None = 0.9,
        routing: Literal["exact", "official"] = "exact",
        max_deviation: float | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if not 0.0 < shift < 0.5:
            raise ValueError(f"shift is between 0 and 0.5 in CDF units, not {shift}")
        if quantile is not None and not 0.0 < quantile <= 1.0:
            raise ValueError(f"quantile is in (0, 1] or None, not {quantile}")
        if max_deviation is not None and not 0.0 < max_deviation < float("inf"):
            raise ValueError(f"max_deviation is a positive number of standard deviations or None, not {max_deviation}")
        choose("axis", axis, ("weight_norm", "uniform"))
        choose("latents", latents, ("sample", "mean"))
        choose("batch", batch, ("same", "second"))
        choose("routing", routing, ("exact", "official"))
        self.shift, self.power, self.max_bars, self.quantile = shift, power, max_bars, quantile
        self.max_deviation = max_deviation
        self.axis, self.latents, self.batch, self.routing = axis, latents, batch, routing
        read = {"mean": {"posterior"}, "second": {"second"}}
        self.needs = frozenset({"decoder", "fitted"}.union(*(read.get(each, set()) for each in (latents, batch))))
        self._measurements: dict[str, float] = {}

    def forward(self, p: Pass) -> Tensor:
        """Return the divergence.

        Raises:
            SkipStep: if fewer than 4 points stay valid after the shift.
        """
        source = p if self.batch == "same" else p.second
        z = source.z if self.latents == "sample" else source.mean
        generator = self.generator(z.device)
        norms = p.latent_norms.float() if self.axis == "weight_norm" else torch.ones(z.shape[1], device=z.device)
        # What torch.multinomial does, which asks the device whether they are probabilities.
        latent = (norms / torch.empty_like(norms).exponential_(generator=generator)).argmax(keepdim=True)
        sign = 2.0 * torch.randint(2, (1,), generator=generator, device=z.device) - 1.0
        moved, valid = shift_latent(z, latent, sign * self.shift, self.max_deviation)
        self.leave_out(valid.sum() < MIN_POINTS)
        logits = source.logits if self.latents == "sample" else p.decode(z)
        a = _image_distances(logits)
        if is_recorded():  # shapes stay
            among: Tensor | None = valid
            b = _image_distances(p.decode(moved))
        else:
            # Rows are dropped from the distances, not from the images: the latter would copy every pixel twice.
            among, rows = None, valid.nonzero().squeeze(1)
            a, b = a[rows[:, None], rows], _image_distances(p.decode(moved[rows]))
        a, b = self._normalise(a, among), self._normalise(b, among)
        return rtd_loss(
            a, b, power=self.power, max_bars=self.max_bars, routing=self.routing, among=among, watch=self._note
        )

    def measurements(self) -> dict[str, float]:
        """Points that stayed valid, and the time that the host took for the four barcodes, in the latest step."""
        return self._measurements

    def _note(self, points: int, seconds: float) -> None:
        self._measurements = {"points": float(points), "barcode_ms": 1e3 * seconds}

    def _normalise(self, distances: Tensor, among: Tensor | None) -> Tensor:
        if self.quantile is None:
            points = len(distances) if among is None else among.sum().clamp_min(1).to(distances.dtype)
            return distances / points**0.5
        return scale_by_quantile(distances, self.quantile, among)


def _image_distances(logits: Tensor) -> Tensor:
    return euclidean_distances(torch.sigmoid(logits).flatten(1))


def shift_latent(z: Tensor, latent: Tensor, shift: Tensor, max_deviation: float | None = None) -> tuple[Tensor, Tensor]:
    """Shift one latent of a batch through its Gaussian CDF (Balabin et al. 2024, eq. 1).

    Args:
        z: latents, shape ``(n, d)``.
        latent: index of the latent that moves, shape ``(1,)``.
        shift: signed shift in CDF units, shape ``(1,)``.
        max_deviation: largest ``|u'|``, in standard deviations, of a point that is kept; None for any.

    Returns:
        The shifted latents ``(n, d)``, differentiable in ``z`` (the batch's mean and standard deviation included),
        and the mask ``(n,)`` of points whose CDF value stays inside (0, 1), and ``|u'|`` within ``max_deviation``;
        rows outside the mask are unmoved.
    """
    column = z.index_select(1, latent).squeeze(1).double()  # float64: Phi saturates at 1 early in float32
    mean, std = column.mean(), column.std()
    varies = std > 0.0
    target = torch.special.ndtr((column - mean) / std.where(varies, 1.0)) + shift.double()
    valid = (target > 0.0) & (target < 1.0) & varies
    deviation = torch.special.ndtri(target.where(valid, 0.5))
    if max_deviation is not None:
        valid = valid & (deviation.abs() <= max_deviation)
        deviation = deviation.where(valid, 0.0)
    moved = deviation * std + mean
    return z.index_copy(1, latent, moved.where(valid, column).to(z.dtype)[:, None]), valid
