"""Terms, bottlenecks, schedules and recipes against their formulas, in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from disent_bench import Pass
from disent_bench.bottlenecks.gaussian import Gaussian
from disent_bench.bottlenecks.group import Group
from disent_bench.bottlenecks.quantised import Quantised
from disent_bench.config.resolve import resolve
from disent_bench.terms import KL, Commitment, Quantisation, Reconstruction, Spread
from disent_bench.weights import make_weight

RNG = torch.Generator().manual_seed(0)
N, D = 6, 4


def rand(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=RNG, dtype=torch.float64)


def test_reconstruction_at_uniform_logits_is_ln_2_for_each_value() -> None:
    x = torch.rand(N, 3, 8, 8, generator=RNG, dtype=torch.float64)
    assert float(Reconstruction()(Pass(x=x, logits=torch.zeros_like(x)))) == pytest.approx(3 * 8 * 8 * math.log(2))


@pytest.mark.parametrize("grey", [False, True])
def test_reconstruction_is_the_librarys_cross_entropy(grey: bool) -> None:
    x = torch.rand(N, 1, 8, 8, generator=RNG, dtype=torch.float64)
    x, logits = (x if grey else x.round()), 3 * rand(N, 1, 8, 8)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / N
    found = Reconstruction()(Pass(x=x, logits=logits))
    torch.testing.assert_close(found, expected)
    if not grey:
        torch.testing.assert_close(found, -Bernoulli(logits=logits).log_prob(x).sum() / N)


@pytest.mark.parametrize("deviation", [1.0, 0.1, math.sqrt(0.5)])
def test_gaussian_reconstruction_is_the_normal_density(deviation: float) -> None:
    x, logits = torch.rand(N, 2, 4, 4, generator=RNG, dtype=torch.float64), rand(N, 2, 4, 4)
    expected = -Normal(logits.sigmoid(), deviation).log_prob(x).sum() / N
    found = Reconstruction(likelihood="gaussian", deviation=deviation)(Pass(x=x, logits=logits))
    torch.testing.assert_close(found, expected)


def test_kl_is_that_of_torch_distributions() -> None:
    mean, logvar = rand(N, D), rand(N, D)
    normal = Normal(mean, (0.5 * logvar).exp())
    expected = kl_divergence(normal, Normal(torch.zeros_like(mean), 1.0)).sum() / N
    torch.testing.assert_close(KL()(Pass(mean=mean, logvar=logvar)), expected)


def test_spread_sums_what_each_deviation_lacks() -> None:
    mean = rand(50, D) * torch.tensor([0.1, 0.5, 2.0, 1.0], dtype=torch.float64)
    expected = sum(max(0.0, 1.0 - float(column.std(correction=0))) for column in mean.T)
    assert float(Spread()(Pass(mean=mean))) == pytest.approx(expected)


def test_quantisation_takes_the_nearest_value_and_commitment_holds_it() -> None:
    bottleneck = Quantised(num_values=5).double()
    bottleneck.setup((1, 8, 8), D)
    bottleneck.double()
    torch.testing.assert_close(bottleneck.values[2], torch.linspace(-0.5, 0.5, 5, dtype=torch.float64))
    with torch.no_grad():
        bottleneck.values += 0.1 * rand(D, 5)
    continuous = rand(N, D).requires_grad_()
    nearest = [
        [min(bottleneck.values[j].tolist(), key=lambda v, z=z: abs(v - z)) for j, z in enumerate(row)]
        for row in continuous.tolist()
    ]
    p = Pass(rules={**bottleneck.rules(), "continuous": lambda _: continuous})
    torch.testing.assert_close(p.quantised, torch.tensor(nearest, dtype=torch.float64))
    torch.testing.assert_close(p.z, p.quantised)
    distance = (continuous - p.quantised).square().mean()
    for term, moved in ((Quantisation(), bottleneck.values), (Commitment(), continuous)):
        value = term(p)
        torch.testing.assert_close(value, distance)
        found = torch.autograd.grad(value, [continuous, bottleneck.values], allow_unused=True, retain_graph=True)
        reached = [g is not None and bool(g.any()) for g in found]
        assert reached == [moved is continuous, moved is bottleneck.values]
    (through,) = torch.autograd.grad((p.z * continuous.detach()).sum(), continuous)
    torch.testing.assert_close(through, continuous.detach())
    assert bottleneck.num_features(D) == D


@pytest.mark.parametrize("divergence", ["kl", "symmetric"])
@pytest.mark.parametrize("aggregation", ["gvae", "ml_vae"])
def test_pairs_share_the_latents_that_hardly_differ(aggregation: Any, divergence: Any) -> None:
    mean, logvar = rand(2 * N, D), rand(2 * N, D)
    found = Group(aggregation=aggregation, divergence=divergence).averaged(mean, logvar)
    shared = 0
    for i in range(N):
        pair = [[(float(mean[r, j]), math.exp(float(logvar[r, j]))) for j in range(D)] for r in (i, N + i)]
        forward = [
            math.log(v2 / v1) / 2 + (v1 + (m1 - m2) ** 2) / (2 * v2) - 0.5
            for (m1, v1), (m2, v2) in zip(*pair, strict=True)
        ]
        back = [
            math.log(v1 / v2) / 2 + (v2 + (m1 - m2) ** 2) / (2 * v1) - 0.5
            for (m1, v1), (m2, v2) in zip(*pair, strict=True)
        ]
        delta = forward if divergence == "kl" else [(a + b) / 2 for a, b in zip(forward, back, strict=True)]
        for j, ((m1, v1), (m2, v2)) in enumerate(zip(*pair, strict=True)):
            if delta[j] >= (max(delta) + min(delta)) / 2:
                expected = [(m1, v1), (m2, v2)]
            elif aggregation == "gvae":
                expected, shared = [((m1 + m2) / 2, (v1 + v2) / 2)] * 2, shared + 1
            else:
                v = 2 * v1 * v2 / (v1 + v2)
                expected, shared = [((m1 / v1 + m2 / v2) / (1 / v1 + 1 / v2), v)] * 2, shared + 1
            for row, (m, v) in zip((i, N + i), expected, strict=True):
                assert float(found[0][row, j]) == pytest.approx(m)
                assert float(found[1][row, j]) == pytest.approx(math.log(v))
    assert 0 < shared < N * D


def test_gaussian_codes_are_means() -> None:
    features = torch.arange(12.0).reshape(2, 6)
    assert Gaussian().encode(features).tolist() == [[0.0, 1.0, 2.0], [6.0, 7.0, 8.0]]
    assert Gaussian().num_features(3) == 6


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        ({"kind": "linear", "first": 1.0, "last": 3.0, "steps": 10}, lambda t, raw: (1 + 0.2 * min(t, 10)) * raw),
        ({"kind": "linear", "first": 1.0, "last": 3.0, "steps": 0}, lambda t, raw: 3 * raw),
        (
            {"kind": "capacity", "capacity": 25.0, "gamma": 7.0, "steps": 10},
            lambda t, raw: 7 * abs(raw - 2.5 * min(t, 10)),
        ),
        (4.5, lambda t, raw: 4.5 * raw),
    ],
)
def test_schedules_over_their_whole_length(weight: Any, expected: Any) -> None:
    built = make_weight(weight)
    for step in range(15):
        raw = torch.tensor(3.0 + step, dtype=torch.float64)
        assert float(built(raw, torch.tensor(step), {})) == pytest.approx(expected(step, 3.0 + step))


@pytest.mark.parametrize(
    ("method", "weights"),
    [
        ("vae", {"reconstruction": 1.0, "kl": 1.0}),
        ("beta_vae", {"reconstruction": 1.0, "kl": 4.0}),
        ("beta_tcvae", {"reconstruction": 1.0, "kl": 1.0, "total_correlation": 3.0}),
        ("beta_vae+topdis", {"reconstruction": 1.0, "kl": 4.0, "topological": 5.0}),
        ("beta_vae+gmg", {"reconstruction": 1.0, "kl": 4.0, "gromov_monge": 200.0}),
        ("beta_vae+dst", {"reconstruction": 1.0, "kl": 4.0, "distortion": 400.0}),
        ("beta_vae+jacobian", {"reconstruction": 1.0, "kl": 4.0, "isometry": 10.0}),
        ("hfs", {"reconstruction": 1.0, "kl": 4.0, "hausdorff": 10.0}),
        ("gmg_decoder_free", {"kl": 0.01, "total_correlation": 0.03, "gromov_monge": 100.0, "spread": 10.0}),
    ],
)
def test_recipes_weigh_their_terms_as_they_say(method: str, weights: dict[str, float]) -> None:
    terms = resolve(method, "toy_grid", "locatello2019").terms
    assert {name: term["weight"] for name, term in terms.items()} == pytest.approx(weights)
    if "topological" in terms:
        assert (terms["topological"]["start"], terms["topological"]["orthogonal_to"]) == (100_000, "reconstruction")
