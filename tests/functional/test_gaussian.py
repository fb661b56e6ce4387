from __future__ import annotations

import math

import torch
from torch.distributions import Normal, kl_divergence

from disent_bench.functional.gaussian import kl_to_standard_normal, pairwise_log_density, total_correlation


def posterior(n: int, d: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mean, logvar, noise = torch.randn(3, n, d, generator=generator, dtype=torch.float64)
    return mean + torch.exp(logvar / 2) * noise, mean, logvar


def test_kl_equals_torch_distributions() -> None:
    _, mean, logvar = posterior(5, 3)
    expected = kl_divergence(Normal(mean, torch.exp(logvar / 2)), Normal(torch.zeros(()), torch.ones(())))
    torch.testing.assert_close(kl_to_standard_normal(mean, logvar), expected)


def test_pairwise_density_equals_torch_distributions() -> None:
    z, mean, logvar = posterior(5, 3)
    expected = Normal(mean, torch.exp(logvar / 2)).log_prob(z[:, None])
    torch.testing.assert_close(pairwise_log_density(z, mean, logvar), expected)


def test_total_correlation_equals_a_plain_loop() -> None:
    z, mean, logvar = posterior(6, 3)
    n_train, total = 50, 0.0
    for i in range(6):
        densities = [[float(Normal(mean[j, k], (logvar[j, k] / 2).exp()).log_prob(z[i, k]).exp()) for k in range(3)]
                     for j in range(6)]  # fmt: skip
        joint = sum(math.prod(row) for row in densities) / (6 * n_train)
        marginals = [sum(row[k] for row in densities) / (6 * n_train) for k in range(3)]
        total += math.log(joint) - sum(map(math.log, marginals))
    assert math.isclose(float(total_correlation(z, mean, logvar, n_train)), total / 6, rel_tol=1e-9)


def test_the_size_of_the_training_set_shifts_the_value_only() -> None:
    z, mean, logvar = posterior(6, 4)
    leaves = [t.requires_grad_() for t in (z, mean, logvar)]
    small, large = total_correlation(*leaves, n_train=10), total_correlation(*leaves, n_train=1000)
    assert math.isclose(float(large - small), 3 * math.log(100), rel_tol=1e-9)
    for a, b in zip(torch.autograd.grad(small, leaves), torch.autograd.grad(large, leaves), strict=True):
        torch.testing.assert_close(a, b)


def test_gradients() -> None:
    z, mean, logvar = (t.requires_grad_() for t in posterior(4, 2))
    assert torch.autograd.gradcheck(lambda *t: total_correlation(*t, n_train=10), (z, mean, logvar))
