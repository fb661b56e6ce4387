"""Losses of quantised latents and of the decoder's derivatives are their papers' formulas, in value and gradient."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from disent_bench.bottlenecks.finite_scalar import FiniteScalar
from disent_bench.bottlenecks.quantised import Quantised
from disent_bench.config.method import build_model
from disent_bench.config.resolve import resolve
from disent_bench.forward import Pass
from disent_bench.functional.hessian import hessian_directions, normalised_hessian_penalty
from disent_bench.functional.multi_information import deviations, kernel_multi_information
from disent_bench.functional.orthogonality import column_alignment
from disent_bench.terms import make_term

ROWS, LATENTS, N = 6, 3, 50


def test_qlae(fixed: Any) -> None:
    model = build_model({"qlae": {"quantisation": 0.5, "commitment": 0.25}})
    bottleneck = model.bottleneck
    assert isinstance(bottleneck, Quantised)
    bottleneck.setup((1, 8, 8), 3)
    t = torch.arange(18.0).reshape(6, 3)
    features = (0.6 * torch.sin(1.7 * t)).requires_grad_()
    u = torch.arange(6 * 64.0).reshape(6, 1, 8, 8)
    x, decoder = 0.5 + 0.5 * torch.sin(0.37 * u), torch.cos(torch.arange(192.0)).reshape(3, 64)
    decode = lambda z: (z @ decoder).reshape(-1, 1, 8, 8)  # noqa: E731
    p = Pass(x=x, decode=decode, step=0, rules={"features": lambda p: features, **bottleneck.rules()})
    loss = torch.stack([part.weighted for part in model.objective(p, 0).values()]).sum()
    values = [-0.5 + k / 9.0 for k in range(10)]
    chosen = [[min(range(10), key=lambda k: abs(values[k] - float(f))) for f in row] for row in features]
    q = torch.stack([torch.stack([bottleneck.values[j, k] for j, k in enumerate(row)]) for row in chosen])
    straight = features + (q - features).detach()
    expected = fixed.cross_entropy(x, decode(straight)) / 64
    expected = expected + 0.5 * ((features.detach() - q) ** 2).mean() + 0.25 * ((features - q.detach()) ** 2).mean()
    torch.testing.assert_close(loss, expected)
    for wanted in (features, bottleneck.values):
        ours, theirs = (torch.autograd.grad(each, wanted, retain_graph=True)[0] for each in (loss, expected))
        torch.testing.assert_close(ours, theirs)


def test_finite_scalars_are_tripods() -> None:
    bottleneck = FiniteScalar()
    features = torch.linspace(-3, 3, 60).reshape(20, 3).requires_grad_()
    p = Pass(rules={"features": lambda p: features, **bottleneck.rules()})
    expected = [[2 * round((math.tanh(f) + 1) / 2 * 11) / 11 - 1 for f in row] for row in features.tolist()]
    torch.testing.assert_close(p.z, torch.tensor(expected))
    torch.testing.assert_close(bottleneck.encode(features), torch.tensor(expected))
    (slope,) = torch.autograd.grad(p.z.sum(), features)
    torch.testing.assert_close(slope, 1 - features.detach().tanh() ** 2)  # tanh's own, through the rounding


def test_multi_information_of_kernels() -> None:
    """.2901 and .9031: the loss in kylehkhsu/tripod d794dc4, ``models/autoencoder.py``, worked out on these points."""
    square = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    diagonal = torch.tensor([[-1.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    for points, expected in ((square, 0.2901), (diagonal, 0.9031)):
        assert float(kernel_multi_information(points, deviations(points))) == pytest.approx(expected, abs=5e-5)


def test_multi_information_by_loops(fixed: Any) -> None:
    z = fixed.leaves["z"]
    scales = deviations(z)
    b, d = z.shape
    silverman = (4 / (d + 2)) ** (1 / (d + 4)) * b ** (-1 / (d + 4))
    total = z.new_zeros(())
    for i in range(b):
        joint = sum(
            math.prod(fixed.density(z[i, k], z[j, k], 2 * torch.log(scales[k] * silverman)) for k in range(d))
            for j in range(b)
        )
        marginals = [sum(fixed.density(z[i, k], z[j, k], 2 * torch.log(scales[k])) for j in range(b)) for k in range(d)]
        total = total + torch.log(joint / b) - sum(torch.log(each / b) for each in marginals)
    found = make_term("multi_information")(Pass(z=z))
    torch.testing.assert_close(found, total / b)
    ours, theirs = (torch.autograd.grad(each, z, retain_graph=True)[0] for each in (found, total / b))
    torch.testing.assert_close(ours, theirs)
    leaf = z.detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: kernel_multi_information(z, deviations(z)), (leaf,))


def quadratic(mixed: float) -> tuple[Any, Tensor]:
    """A layer of two units with known Hessians, and these."""
    h = torch.tensor([[[2.0, mixed, 0], [mixed, -1.0, 0], [0, 0, 0.5]], [[0, 0, mixed], [0, 3.0, 0], [mixed, 0, 1.0]]])
    h = h.double()
    return (lambda z: [torch.einsum("ni,uij,nj->nu", z, h, z) / 2]), h


def test_the_hessian_penalty_is_the_share_of_mixed_derivatives() -> None:
    """Its expectation over many directions, on quadratic layers, where second differences are exact."""
    layers, h = quadratic(0.7)
    codes = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scales = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    scaled = h * scales[:, None] * scales
    everything = (scaled**2).sum(dim=(1, 2)).mean()
    mixed = everything - (scaled.diagonal(dim1=1, dim2=2) ** 2).sum(dim=1).mean()
    directions = hessian_directions(codes, torch.Generator().manual_seed(1), num=40_000)
    found = normalised_hessian_penalty(layers, codes, scales, directions)
    assert float(found) == pytest.approx(float(mixed / everything), rel=0.03)
    layers, _ = quadratic(0.0)
    assert float(normalised_hessian_penalty(layers, codes, scales, directions[[0, 1, -2, -1]])) < 1e-12


def test_the_hessian_penalty_by_loops() -> None:
    codes = torch.sin(torch.arange(12.0, dtype=torch.float64)).reshape(4, 3).requires_grad_()
    scales = deviations(codes)
    maps = torch.cos(torch.arange(30.0, dtype=torch.float64)).reshape(3, 10)
    layers = lambda z: [(z @ maps[:, :4]).sin(), (z @ maps[:, 4:]).cos().reshape(-1, 2, 3)]  # noqa: E731
    directions = hessian_directions(codes.detach(), torch.Generator().manual_seed(0))
    expected = codes.new_zeros(())
    for layer, i in product(range(2), range(4)):
        shares = []
        for pair in (directions[:2], directions[2:]):
            h = lambda z: layers(z[None])[layer].flatten()  # noqa: B023, E731
            moved = [0.1 * v[i] * scales for v in pair]
            one, two = ((h(codes[i] + m) - 2 * h(codes[i]) + h(codes[i] - m)) / 0.01 for m in moved)
            middle = (one + two) / 2
            shares.append((((one - middle) ** 2 + (two - middle) ** 2) / 2).mean())
        expected = expected + shares[0] / (shares[1] + 1e-10) / 4
    found = normalised_hessian_penalty(layers, codes, scales, directions)
    torch.testing.assert_close(found, expected)
    ours, theirs = (torch.autograd.grad(each, codes, retain_graph=True)[0] for each in (found, expected))
    torch.testing.assert_close(ours, theirs)


def test_alignment_is_that_of_the_whole_jacobian() -> None:
    """Over all signs, the variance is 2 sum_{i != j} G_ij^2, and with a linear map every point has the same."""
    maps = torch.sin(torch.arange(15.0, dtype=torch.float64)).reshape(3, 5)
    signs = torch.tensor(list(product((-1.0, 1.0), repeat=3)), dtype=torch.float64)
    codes = torch.zeros(2, 3, dtype=torch.float64)
    gram = maps @ maps.T
    mixed = (gram**2).sum() - (gram.diagonal() ** 2).sum()
    found = column_alignment(lambda z: z @ maps, codes, signs[:, None].expand(-1, 2, -1))
    unbiased = 8 / 7  # of a variance over all 8 signs
    torch.testing.assert_close(found, unbiased * 2 * mixed / gram.trace() ** 2)
    scaled = column_alignment(lambda z: 30.0 * z @ maps, codes, signs[:, None].expand(-1, 2, -1))
    torch.testing.assert_close(scaled, found)
    orthogonal = torch.linalg.qr(maps.T).Q.T * torch.tensor([[1.0], [5.0], [0.1]], dtype=torch.float64)
    assert float(column_alignment(lambda z: z @ orthogonal, codes, signs[:, None].expand(-1, 2, -1))) < 1e-20


def test_alignment_has_the_gradient_of_its_value() -> None:
    maps = torch.sin(torch.arange(15.0, dtype=torch.float64)).reshape(3, 5).requires_grad_()
    codes = torch.cos(torch.arange(6.0, dtype=torch.float64)).reshape(2, 3)
    signs = torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, -1.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    directions = signs[:, None].expand(-1, 2, -1)
    assert torch.autograd.gradcheck(lambda maps: column_alignment(lambda z: (z @ maps).sin(), codes, directions), maps)


def test_tripod_is_the_sum_of_its_three_parts(fixed: Any) -> None:
    config = resolve("tripod", "dsprites", "locatello2019")
    assert (config.settings.network, config.settings.weight_decay) == ("hsu2024", 0.0)
    model = build_model({"tripod": {"multi_information": 0.5, "hessian": 0.25, "num_levels": 5}})
    weights = {name: term["weight"] for name, term in model.objective.settings().items()}
    assert weights == {"reconstruction": 1.0, "multi_information": 0.5, "hessian": 0.25}
    assert model.bottleneck.settings() == {"num_levels": 5}
    t = torch.arange(18.0).reshape(6, 3)
    features = (0.6 * torch.sin(1.7 * t)).requires_grad_()
    x, decoder = torch.rand(6, 1, 8, 8).double(), torch.cos(torch.arange(192.0)).reshape(3, 64)
    decode = lambda z: (z @ decoder).reshape(-1, 1, 8, 8)  # noqa: E731
    layers = lambda z: [torch.sin(z @ decoder), (z @ decoder) ** 2]  # noqa: E731
    rules = {"features": lambda p: features, **model.bottleneck.rules()}
    p = Pass(x=x, decode=decode, activations=layers, step=0, rules=rules)
    parts = {name: part.weighted for name, part in model.objective(p, 0).items()}
    q = 2 * torch.round((features.tanh() + 1) / 2 * 4) / 4 - 1
    torch.testing.assert_close(parts["reconstruction"], fixed.cross_entropy(x, decode(q)) / 64)
    assert all(torch.autograd.grad(part, features, retain_graph=True)[0].any() for part in parts.values())
