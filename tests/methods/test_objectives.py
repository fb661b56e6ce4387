"""Losses of Gaussian posteriors are their papers' formulas, written out in loops, in value and gradient.

Where another implementation's numbers on the same tensors are known, they stand here with their source.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from disent_bench.bottlenecks.group import Group
from disent_bench.config.method import build_model
from disent_bench.forward import Pass
from disent_bench.functional.covariance import posterior_covariance
from disent_bench.functional.mmd import SCALES, maximum_mean_discrepancy
from disent_bench.terms import make_term
from disent_bench.weights import PI

ROWS, LATENTS, N = 6, 3, 50


def three_parts(fixed: Any, weights: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Mutual information, total correlation, dimension-wise KL, by loops; row i of ``weights`` is for z_i."""
    z, mean, logvar = (fixed.leaves[name] for name in ("z", "mean", "logvar"))
    sums = [z.new_zeros(()) for _ in range(3)]
    for i in range(len(z)):
        each = [[fixed.density(z[i, k], mean[j, k], logvar[j, k]) for k in range(LATENTS)] for j in range(len(z))]
        joint = sum(float(weights[i, j]) * each[j][0] * each[j][1] * each[j][2] for j in range(len(z)))
        marginals = [sum(float(weights[i, j]) * each[j][k] for j in range(len(z))) for k in range(LATENTS)]
        own = sum(torch.log(each[i][k]) for k in range(LATENTS))
        prior = sum(torch.log(fixed.density(z[i, k], torch.zeros(()), torch.zeros(()))) for k in range(LATENTS))
        product_of = sum(torch.log(marginal) for marginal in marginals)
        values = (own - torch.log(joint), torch.log(joint) - product_of, product_of - prior)
        sums = [total + value / len(z) for total, value in zip(sums, values, strict=True)]
    return sums[0], sums[1], sums[2]


def weighted() -> np.ndarray:
    return np.full((ROWS, ROWS), 1.0 / (ROWS * N))


def stratified() -> np.ndarray:
    m = ROWS - 1
    weights = np.full((ROWS, ROWS), 1.0 / m)
    for i in range(ROWS):
        weights[i, (i + 1) % ROWS], weights[i, i] = (N - m) / (N * m), 1.0 / N
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    return weights


@pytest.mark.parametrize("step", [0, 30, 200])
def test_annealed_vae(fixed: Any, step: int) -> None:
    leaves = fixed.leaves
    objective = fixed.objective({"annealed_vae": {"c_max": 3.0, "gamma": 7.0, "iteration_threshold": 100}})
    capacity = min(3.0, 3.0 * step / 100)
    kl = fixed.divergence(leaves["mean"], leaves["logvar"])
    expected = fixed.cross_entropy(leaves["x"], leaves["logits"]) + 7.0 * abs(kl - capacity)
    fixed.check(fixed.loss(objective, step=torch.tensor(step)), expected)
    assert float(objective["kl"].weight.measurements()["capacity"]) == pytest.approx(capacity)


@pytest.mark.parametrize(("name", "samples"), [("dip_vae_i", False), ("dip_vae_ii", True)])
def test_dip_vae(fixed: Any, name: str, samples: bool) -> None:
    leaves = fixed.leaves
    objective = fixed.objective({name: {"lambda_od": 2.0, "lambda_d_factor": 3.0}})
    mean, expected = leaves["mean"], fixed.cross_entropy(leaves["x"], leaves["logits"])
    expected = expected + fixed.divergence(mean, leaves["logvar"])
    for i, j in product(range(LATENTS), repeat=2):
        entry = sum(mean[b, i] * mean[b, j] for b in range(ROWS)) / ROWS
        entry = entry - sum(mean[b, i] for b in range(ROWS)) * sum(mean[b, j] for b in range(ROWS)) / ROWS**2
        if i == j and samples:
            entry = entry + sum(torch.exp(leaves["logvar"][b, i]) for b in range(ROWS)) / ROWS
        expected = expected + (6.0 * (entry - 1.0) ** 2 if i == j else 2.0 * entry**2)
    fixed.check(fixed.loss(objective), expected)


def test_the_covariance_is_that_of_disent(fixed: Any) -> None:
    """Numbers of nmichlo/disent (2023-03), ``torch_cov_matrix`` and ``_dip_compute_regulariser`` on the same means."""
    covariance = posterior_covariance(fixed.leaves["mean"])
    diagonal = [0.49942600960060474, 0.539786009122956, 0.39768551750731523]
    assert covariance.diagonal().tolist() == pytest.approx(diagonal)
    p = Pass(**fixed.given)
    assert float(make_term("unit_variance")(p).detach()) == pytest.approx(0.8251539730837805)
    assert float(make_term("covariance")(p).detach()) == pytest.approx(0.39529772224528975)


@pytest.mark.parametrize("estimator", ["weighted", "stratified"])
@pytest.mark.parametrize("kl", ["analytic", "sampled"])
def test_beta_tcvae(fixed: Any, kl: str, estimator: str) -> None:
    leaves = fixed.leaves
    given = {"alpha": 0.5, "beta": 4.0, "gamma": 2.0, "kl": kl, "estimator": estimator}
    objective = fixed.objective({"beta_tcvae": given})
    parts = three_parts(fixed, weighted() if estimator == "weighted" else stratified())
    inside = 1.0 if kl == "analytic" else 0.0
    expected = fixed.cross_entropy(leaves["x"], leaves["logits"]) + inside * fixed.divergence(
        leaves["mean"], leaves["logvar"]
    )
    for factor, part in zip((0.5, 4.0, 2.0), parts, strict=True):
        expected = expected + (factor - inside) * part
    fixed.check(fixed.loss(objective), expected)


# google-research/disentanglement_lib 86a644d, methods/unsupervised/vae.py and methods/shared/losses.py under TensorFlow
# 2.21 in float64 (its constant pi too), on the tensors of conftest.py: the regulariser, and the sums of its absolute
# gradients by means, log-variances and samples. Its total correlation is without constants, (d - 1) log(b n) less.
THEIR_RECONSTRUCTION, THEIR_KL = 57.93899242638196, 1.3730599335816862
DISENTANGLEMENT_LIB = {
    "beta_vae": ({"beta": 4.0}, 5.492239734326745, 0.0, (7.548234678018211, 3.4193211341571925, 0.0)),
    "beta_tcvae": (
        {"beta": 6.0},
        -13.25397823666173,
        5 * (LATENTS - 1) * math.log(ROWS * N),
        (6.629583200818999, 2.3579873509985374, 7.393193935121564),
    ),
    "dip_vae_i": (
        {"lambda_od": 10.0, "lambda_d_factor": 10.0},
        87.84143446441264,
        0.0,
        (367.33876532864247, 0.8548302835392981, 0.0),
    ),
    "dip_vae_ii": (
        {"lambda_od": 10.0, "lambda_d_factor": 1.0},
        5.685774448628736,
        0.0,
        (21.074178783487497, 3.195861476210675, 0.0),
    ),
}


@pytest.mark.parametrize("name", DISENTANGLEMENT_LIB)
def test_regularisers_are_those_of_disentanglement_lib(fixed: Any, name: str) -> None:
    settings, value, constants, gradients = DISENTANGLEMENT_LIB[name]
    loss = fixed.loss(fixed.objective({name: settings}))
    assert float(loss.detach()) == pytest.approx(THEIR_RECONSTRUCTION + value + constants, rel=1e-12)
    leaves = [fixed.leaves[each] for each in ("mean", "logvar", "z")]
    found = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    assert [float(each.abs().sum()) for each in found] == pytest.approx(gradients, rel=1e-10)


@pytest.mark.parametrize(
    ("step", "capacity"), [(0, 0.0), (1_000, 0.25), (50_000, 12.5), (100_000, 25.0), (200_000, 25.0)]
)
def test_the_capacity_is_that_of_disentanglement_lib(fixed: Any, step: int, capacity: float) -> None:
    """86a644d, ``anneal(25, step, 100000)``."""
    loss = float(fixed.loss(fixed.objective({"annealed_vae": {}}), step=torch.tensor(step)).detach())
    assert loss == pytest.approx(THEIR_RECONSTRUCTION + 1000 * abs(THEIR_KL - capacity))


def test_the_total_correlation_is_that_of_disent(fixed: Any) -> None:
    """nmichlo/disent (2023-03), ``_betatc_compute_total_correlation``: without the constants, (d - 1) log(b n) less."""
    found = float(make_term("total_correlation")(Pass(**fixed.given)).detach())
    assert found - (LATENTS - 1) * math.log(ROWS * N) == pytest.approx(-2.9254076340486836)


def test_the_parts_sum_to_the_sampled_kl(fixed: Any) -> None:
    leaves = fixed.leaves
    own = sum(torch.log(fixed.density(leaves["z"], leaves["mean"], leaves["logvar"])).flatten()) / ROWS
    prior = sum(torch.log(fixed.density(leaves["z"], torch.zeros(()), torch.zeros(()))).flatten()) / ROWS
    names = ("mutual_information", "total_correlation", "dimension_wise_kl")
    total = sum(make_term(name, estimator="stratified")(Pass(**fixed.given)) for name in names)
    torch.testing.assert_close(total, own - prior)


def test_beta_tcvae_without_a_split_is_the_sum_it_was(fixed: Any) -> None:
    assert list(fixed.objective({"beta_tcvae": {}}).settings()) == ["reconstruction", "kl", "total_correlation"]


def test_a_stratified_estimate_refuses_a_batch_it_is_not_defined_for(fixed: Any) -> None:
    with pytest.raises(ValueError, match="takes batches from 2"):
        make_term("total_correlation", estimator="stratified")(Pass(**{**fixed.given, "n_train": 5}))


def test_control_vae(fixed: Any) -> None:
    leaves = fixed.leaves
    objective = fixed.objective({"control_vae": {"c_max": 18.0}})
    kl = fixed.divergence(leaves["mean"], leaves["logvar"])
    error = 0.5 - float(kl.detach())
    beta = max(1.0, 0.01 / (1.0 + math.exp(error)) + 1.0 - 0.001 * error)
    expected = fixed.cross_entropy(leaves["x"], leaves["logits"]) + beta * kl
    fixed.check(fixed.loss(objective, step=torch.tensor(0)), expected)
    said = objective["kl"].weight.measurements()
    assert (float(said["weight"]), float(said["set_point"])) == (pytest.approx(beta), 0.5)


def test_the_controller_is_that_of_the_authors() -> None:
    """shj1987/ControlVAE-ICML2020 468ce4f, ``Disentangling/P_PID.py``, set-point 5, Kp .01, Ki -.001, on these KLs."""
    theirs = [1.016990889488056, 1.006192029220221, 1.0002816257115317, 1, 1.0052999999998613, 1.0061079707797789]
    controller = PI(target=5.0, first=5.0).double()
    for raw, expected in zip((12.0, 3.0, 0.2, 0.1, 30.0, 7.0), theirs, strict=True):
        controller(torch.tensor(raw, dtype=torch.float64), torch.tensor(0), {})
        assert float(controller.measurements()["weight"]) == pytest.approx(expected, rel=1e-9)


def test_lambda_beta_vae(fixed: Any) -> None:
    leaves = fixed.leaves
    objective = fixed.objective({"lambda_beta_vae": {"beta": 2.0, "lambda_l2": 3.0}})
    probabilities = 1.0 / (1.0 + torch.exp(-leaves["logits"]))
    squares = ((leaves["x"] - probabilities) ** 2).sum() / ROWS
    expected = fixed.cross_entropy(leaves["x"], leaves["logits"]) + 2.0 * fixed.divergence(
        leaves["mean"], leaves["logvar"]
    )
    fixed.check(fixed.loss(objective), expected + 3.0 * squares)


@pytest.mark.parametrize("alpha", [1.0, 0.0])
def test_info_vae(fixed: Any, alpha: float) -> None:
    leaves = fixed.leaves
    objective = fixed.objective({"mmd": {"alpha": alpha, "lambda_mmd": 20.0}})
    torch.manual_seed(0)
    prior = torch.randn(200, 3, generator=make_term("mmd").generator(torch.device("cpu")), dtype=torch.float64)

    def mean_kernel(a: Tensor, b: Tensor) -> Tensor:
        rows = [torch.exp(-((u - b) ** 2).sum(dim=1) / 9.0) for u in a]
        return torch.cat(rows).mean()

    z = leaves["z"]
    discrepancy = mean_kernel(z, z) + mean_kernel(prior, prior) - 2.0 * mean_kernel(z, prior)
    expected = fixed.cross_entropy(leaves["x"], leaves["logits"]) + (alpha + 19.0) * discrepancy
    expected = expected + (1.0 - alpha) * fixed.divergence(leaves["mean"], leaves["logvar"])
    torch.manual_seed(0)
    fixed.check(fixed.loss(objective), expected)


def test_the_discrepancy_is_that_of_disent() -> None:
    """nmichlo/disent (2023-03), ``InfoVae._compute_mmd``: unbiased, and with four latents its kernel is the same."""
    t = torch.arange(24.0, dtype=torch.float64).reshape(6, 4)
    found = maximum_mean_discrepancy(torch.sin(1.3 * t + 0.5), torch.cos(0.37 * t - 1.0), unbiased=True)
    assert float(found) == pytest.approx(-0.036252863422995385, rel=1e-9)


def test_the_kernel_of_the_wasserstein_autoencoder(fixed: Any) -> None:
    z, other = fixed.leaves["z"].detach(), fixed.second.z

    def kernel(a: Tensor, b: Tensor) -> float:
        square = float(((a - b) ** 2).sum())
        return sum(6.0 * s / (6.0 * s + square) for s in SCALES)

    within = [sum(kernel(a[i], a[j]) for i in range(6) for j in range(6) if i != j) / 30 for a in (z, other)]
    between = sum(kernel(z[i], other[j]) for i in range(6) for j in range(6)) / 36
    found = maximum_mean_discrepancy(z, other, "inverse_multiquadratic", unbiased=True)
    assert float(found) == pytest.approx(sum(within) - 2.0 * between)


@pytest.mark.parametrize(
    ("divergence_kind", "aggregation", "of_means", "of_logvars", "shared"),
    [
        ("kl", "gvae", 1.8163993199811472, -23.341007191563993, 10),
        ("kl", "ml_vae", 2.2924812734702664, -25.52738932066487, 10),
        ("symmetric", "gvae", 1.4150602634030502, -23.36538162305322, 11),
        ("symmetric", "ml_vae", 1.7853454635192496, -25.559168772757925, 11),
    ],
)
def test_pairs_are_averaged_as_in_dcf(
    pairs: dict[str, Tensor], divergence_kind: Any, aggregation: Any, of_means: float, of_logvars: float, shared: int
) -> None:
    """facebookresearch/disentangling-correlated-factors 3b0d233, ``dent/losses/adagvae.py`` on the same posteriors."""
    bottleneck = Group(aggregation=aggregation, divergence=divergence_kind)
    mean, logvar = bottleneck.averaged(pairs["mean"], pairs["logvar"])
    weights = torch.linspace(0.5, 1.5, 36, dtype=torch.float64).reshape(12, 3)
    assert float((mean * weights).sum()) == pytest.approx(of_means)
    assert float((logvar * weights).sum()) == pytest.approx(of_logvars)
    assert int((mean[:6] == mean[6:]).sum()) == shared


@pytest.mark.parametrize(("name", "theirs"), [("ada_gvae", 1.090984592246018), ("ada_ml_vae", 1.1520108165187466)])
def test_ada_vae(fixed: Any, pairs: dict[str, Tensor], name: str, theirs: float) -> None:
    """By loops; ``theirs`` is the KL of disentanglement_lib 86a644d, ``weak_vae.py``, on the same posteriors."""
    model = build_model({name: {"beta": 3.0}})
    mean, logvar = (each.clone().requires_grad_() for each in pairs.values())
    x, logits = fixed.leaves["x"].repeat(2, 1, 1, 1), fixed.leaves["logits"].detach().repeat(2, 1, 1, 1)
    features = torch.cat([mean, logvar], dim=1)
    p = Pass(x=x, logits=logits, step=0, rules={"features": lambda p: features, **_in_float64(model.bottleneck)})
    loss = torch.stack([part.weighted for part in model.objective(p, 0).values()]).sum()

    rows = []
    for i in range(ROWS):
        one, two = (mean[i], logvar[i].exp()), (mean[i + ROWS], logvar[i + ROWS].exp())
        delta = [float(one[1][k] / two[1][k] + (two[0][k] - one[0][k]) ** 2 / two[1][k] - 1
                       + torch.log(two[1][k] / one[1][k])) for k in range(LATENTS)]  # fmt: skip
        both = [[], []]
        for k in range(LATENTS):
            if delta[k] >= (min(delta) + max(delta)) / 2:
                found = [(one[0][k], one[1][k]), (two[0][k], two[1][k])]
            elif name == "ada_gvae":
                found = [((one[0][k] + two[0][k]) / 2, (one[1][k] + two[1][k]) / 2)] * 2
            else:
                v = 2 * one[1][k] * two[1][k] / (one[1][k] + two[1][k])
                found = [(v * (one[0][k] / one[1][k] + two[0][k] / two[1][k]) / 2, v)] * 2
            for kept, value in zip(both, found, strict=True):
                kept.append(0.5 * (value[0] ** 2 + value[1] - torch.log(value[1]) - 1))
        rows.append((sum(both[0]) + sum(both[1])) / 2)
    expected = fixed.cross_entropy(x, logits) + 3.0 * sum(rows) / ROWS
    torch.testing.assert_close(loss, expected)
    assert float(sum(rows) / ROWS) == pytest.approx(theirs)
    for a, b in zip(*(torch.autograd.grad(each, (mean, logvar)) for each in (loss, expected)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.fixture
def pairs() -> dict[str, Tensor]:
    """Posteriors of first images, then of their partners."""
    t = torch.arange(18.0, dtype=torch.float64).reshape(6, 3)
    return {
        "mean": torch.cat([torch.sin(1.3 * t + 0.5), torch.cos(1.1 * t)]),
        "logvar": torch.cat([0.8 * torch.cos(0.7 * t) - 1.0, -0.5 + 0.6 * torch.sin(0.9 * t)]),
    }


def _in_float64(bottleneck: Any) -> dict[str, Any]:
    """The bottleneck's rules with a posterior that stays in float64."""
    return {**bottleneck.rules(), "posterior": lambda p: bottleneck.averaged(*p.features.chunk(2, dim=1))}


def test_hfs_decoder_free(fixed: Any) -> None:
    leaves = fixed.leaves
    objective = fixed.objective({"hfs_decoder_free": {"beta": 0.5, "gamma": 2.0, "delta": 3.0}})
    mean = leaves["mean"]
    expected = 0.5 * fixed.divergence(mean, leaves["logvar"])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        points = [(mean[a, i], mean[b, j]) for a, b in product(range(ROWS), repeat=2)]
        nearest = [
            min(((u - mean[c, i]) ** 2 + (v - mean[c, j]) ** 2 for c in range(ROWS)), key=float) for u, v in points
        ]
        expected = expected + 2.0 * max(nearest, key=float)
    for k in range(LATENTS):
        deviation = ((mean[:, k] - mean[:, k].mean()) ** 2).mean().sqrt()
        expected = expected + 3.0 * torch.clamp(1.0 - deviation, min=0.0)
    fixed.check(fixed.loss(objective), expected)
