"""Games against discriminators: both sides' losses are their papers' formulas, in value and gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from disent_bench.forward import Pass
from disent_bench.terms import make_term
from disent_bench.weights import Excess, Steered

ROWS, LATENTS, N = 6, 3, 50


@pytest.mark.parametrize("permuted", ["second", "same"])
def test_factor_vae(fixed: Any, permuted: str) -> None:
    leaves = fixed.leaves
    torch.manual_seed(0)
    objective = fixed.objective({"factor_vae": {"gamma": 5.0}})
    discriminator = objective["density_ratio"].discriminator
    discriminator.permuted = permuted
    (player,) = objective.opponents()
    assert (player.optimizer_settings.beta1, player.optimizer_settings.beta2) == (0.5, 0.9)
    assert [layer.out_features for layer in discriminator.network if isinstance(layer, nn.Linear)] == [1000] * 6 + [2]

    def logits(z: Tensor) -> Tensor:
        value = z
        for layer in discriminator.network:
            if isinstance(layer, nn.Linear):
                value = value @ layer.weight.T + layer.bias
            else:
                value = torch.where(value > 0, value, 0.2 * value)
        return value

    of_z = logits(leaves["z"])
    expected = fixed.cross_entropy(leaves["x"], leaves["logits"]) + fixed.divergence(leaves["mean"], leaves["logvar"])
    expected = expected + 5.0 * sum(of_z[i, 0] - of_z[i, 1] for i in range(ROWS)) / ROWS
    p = Pass(**fixed.given, second=fixed.second)
    parts = objective(p, 0)
    fixed.check(torch.stack([part.weighted for part in parts.values()]).sum(), expected)

    source = fixed.second.z if permuted == "second" else leaves["z"].detach()
    seen: list[Tensor] = []
    shuffle = discriminator.permute
    discriminator.permute = lambda z: seen.append(shuffle(z)) or seen[-1]
    value = discriminator(p)
    for column in range(LATENTS):  # the same values in another order, latent by latent
        assert sorted(seen[0][:, column].tolist()) == sorted(source[:, column].tolist())
    joint = torch.log_softmax(logits(leaves["z"].detach()), dim=1)[:, 0].mean()
    mixed = torch.log_softmax(logits(seen[0]), dim=1)[:, 1].mean()
    torch.testing.assert_close(value, -0.5 * joint - 0.5 * mixed)
    assert torch.autograd.grad(value, leaves["z"], allow_unused=True) == (None,)


def test_permutations_are_uniform_and_independent() -> None:
    term = make_term("discriminator")
    torch.manual_seed(1)
    z = torch.arange(3.0)[:, None].expand(3, 2)
    drawn = [tuple(term.permute(z).T.flatten().int().tolist()) for _ in range(7200)]
    counts = np.unique([hash(each) for each in drawn], return_counts=True)[1]
    assert len(counts) == 36
    assert np.abs(counts - 200).max() < 5 * math.sqrt(200)


def dava(fixed: Any, **settings: Any) -> tuple[Any, Any, Tensor]:
    """Objective, pass and linear decoder of DAVA on fixed tensors; z leads to the logits."""
    torch.manual_seed(0)
    objective = fixed.objective({"dava": settings})
    decoder = torch.cos(torch.arange(192.0, dtype=torch.float64)).reshape(3, 64).requires_grad_()
    decode = lambda z: (2.0 * z @ decoder).reshape(-1, 1, 8, 8)  # noqa: E731
    given = {name: value for name, value in fixed.given.items() if name != "logits"}
    return objective, Pass(**given, decode=decode, last={"recombination/accuracy": torch.tensor(0.57)}), decoder


def test_dava(fixed: Any) -> None:
    objective, p, decoder = dava(fixed, gamma=5.0, rate=0.1)
    parts = objective(p, 0)
    mean, logvar, z = (fixed.leaves[name] for name in ("mean", "logvar", "z"))
    kl = fixed.divergence(mean, logvar) / LATENTS
    torch.testing.assert_close(parts["kl"].weighted, 5.0 * (kl + 0.1) ** 4)  # better than chance: C fell from 0
    torch.testing.assert_close(parts["reconstruction"].weighted, fixed.cross_entropy(p.x, p.decode(z)))

    term = objective["recombination"]
    reconstructed, recombined = term.discriminator.images(p)
    torch.testing.assert_close(reconstructed, torch.sigmoid(p.decode(z)))
    network = term.discriminator.network
    told = float((torch.sigmoid(network(reconstructed)) >= 0.6).double().mean()) / 2
    told += float((torch.sigmoid(network(recombined)) < 0.6).double().mean()) / 2
    assert float(term.measurements()["accuracy"]) == pytest.approx(told)
    hidden = -torch.log(1.0 - torch.sigmoid(network(reconstructed))).mean()
    realistic = -torch.log(torch.sigmoid(network(recombined))).mean()
    excess = 100 * (told - 0.5)
    raw = 0.3 * hidden + 0.001 / max(excess, 1.0) * realistic
    torch.testing.assert_close(parts["recombination"].raw, raw)
    torch.testing.assert_close(parts["recombination"].weighted, 7.0 * raw)
    # the encoder is moved by the first part alone, the decoder by the second alone
    of_z, of_decoder = torch.autograd.grad(parts["recombination"].raw, (z, decoder), retain_graph=True)
    torch.testing.assert_close(of_z, 0.3 * torch.autograd.grad(hidden, z, retain_graph=True)[0])
    wanted = 0.001 / max(excess, 1.0) * torch.autograd.grad(realistic, decoder, retain_graph=True)[0]
    torch.testing.assert_close(of_decoder, wanted)


def test_recombined_codes_come_from_the_batch_latent_by_latent(fixed: Any) -> None:
    objective, p, _ = dava(fixed)
    seen: list[Tensor] = []
    decode = p.decode
    p.decode = lambda z: seen.append(z) or decode(z)
    objective["recombination"].discriminator.images(p)
    z = fixed.leaves["z"]
    (codes,) = (each for each in seen if not torch.equal(each, z))
    assert not codes.requires_grad
    assert all(set(codes[:, k].tolist()) <= set(z[:, k].tolist()) for k in range(LATENTS))
    rows = [[z[:, k].tolist().index(float(v)) for k, v in enumerate(row)] for row in codes]
    assert any(len(set(row)) > 1 for row in rows)


def test_the_image_discriminator_has_soft_labels(fixed: Any) -> None:
    objective, p, _ = dava(fixed)
    term = objective["recombination"].discriminator
    logits = term.network(torch.cat([each.detach() for each in term.images(p)]))
    values = []
    for _ in range(300):
        values.append(float(term(p).detach()))
    # labels of mean .7 and .3, of which the loss is linear
    labels = torch.tensor([0.7] * ROWS + [0.3] * ROWS)
    expected = (torch.log(1 + torch.exp(logits)) - labels * logits).mean()
    error = np.std(values) / math.sqrt(len(values))
    assert error > 0
    assert abs(np.mean(values) - float(expected)) < 5 * error
    assert not any(each.requires_grad for each in (fixed.leaves["x"],))
    (player,) = objective.opponents()
    assert player.optimizer_settings.gradient_clip == 1.0


@pytest.mark.parametrize(("accuracy", "change"), [(0.5, 0.1), (0.501, 0.1), (0.505, 0.0), (0.51, 0.0), (0.52, -0.1)])
def test_capacity_follows_the_accuracy(accuracy: float, change: float) -> None:
    weight = Steered("d/accuracy", capacity=0.3, gamma=2.0, power=2, rate=0.1).double()
    raw, last = torch.tensor(1.0, dtype=torch.float64), {"d/accuracy": torch.tensor(accuracy, dtype=torch.float64)}
    capacity = 0.0
    for _ in range(5):
        found = weight(raw, torch.tensor(0), last)
        capacity = min(0.3, capacity + change)
        assert float(found) == pytest.approx(2.0 * (1.0 - capacity) ** 2)
    assert float(weight(raw, torch.tensor(0), {})) == pytest.approx(2.0 * (1.0 - capacity) ** 2)


def test_the_excess_over_chance() -> None:
    weight, raw = Excess("d/accuracy"), torch.tensor(3.0)
    found = [float(weight(raw, torch.tensor(0), {"d/accuracy": torch.tensor(a)})) for a in (0.4, 0.5, 0.75)]
    assert found == pytest.approx([0.0, 0.0, 75.0])
    assert float(weight(raw, torch.tensor(0), {})) == 0.0
