import pytest
import torch

from disent_bench.functional.distances import euclidean_distances, scale_by_quantile, squared_distances


def test_distances_equal_the_definition_far_from_the_origin() -> None:
    x = torch.randn(3, 20, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 100
    expected = (x.unsqueeze(-2) - x.unsqueeze(-3)).square().sum(-1)
    torch.testing.assert_close(squared_distances(x), expected)
    torch.testing.assert_close(euclidean_distances(x), expected.sqrt())
    torch.testing.assert_close(euclidean_distances(x.float()), expected.sqrt().float(), rtol=1e-4, atol=1e-4)


def test_distances_are_symmetric_and_zero_on_the_diagonal_also_under_autocast() -> None:
    x = torch.rand(64, 300, generator=torch.Generator().manual_seed(1)).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        distances = euclidean_distances(x)
    assert torch.equal(distances, distances.T)
    assert torch.equal(distances.diagonal(), torch.zeros(64))
    torch.testing.assert_close(distances, torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist"))


def test_gradient_is_right_apart_and_zero_where_points_meet() -> None:
    x = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    off_diagonal = ~torch.eye(6, dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda x: euclidean_distances(x)[off_diagonal], x)
    assert torch.autograd.gradcheck(squared_distances, x)
    met = torch.ones(4, 3, requires_grad=True)
    euclidean_distances(met).sum().backward()
    assert torch.equal(met.grad, torch.zeros(4, 3))


def test_scale_makes_the_quantile_one_and_is_held_constant() -> None:
    distances = torch.rand(20, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    scaled = scale_by_quantile(distances, 0.9)
    assert torch.quantile(scaled, 0.9).item() == pytest.approx(1)
    scaled.sum().backward()
    torch.testing.assert_close(distances.grad, torch.full_like(distances, 1 / torch.quantile(distances, 0.9).item()))
    assert torch.equal(scale_by_quantile(torch.zeros(5, 5)), torch.zeros(5, 5))
