import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from disent_bench.functional.costs import (
    UndefinedCostError,
    cost_matrix,
    dissimilarity,
    informative_costs,
    refuse_constant,
    statistic_of,
)


def test_costs_equal_scipys() -> None:
    x = torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    squared = squareform(pdist(x.numpy(), "sqeuclidean"))
    np.testing.assert_allclose(cost_matrix(x, "cosine"), 1 - squareform(pdist(x.numpy(), "cosine")), atol=1e-12)
    np.testing.assert_allclose(cost_matrix(x, "sqeuclidean"), squared, atol=1e-12)
    np.testing.assert_allclose(cost_matrix(x, "scaled_sqeuclidean"), squared / squared.mean(), atol=1e-12)
    np.testing.assert_allclose(cost_matrix(x, "scaled_sqeuclidean", scale="max"), squared / squared.max(), atol=1e-12)
    np.testing.assert_allclose(cost_matrix(x, "scaled_sqeuclidean", scale="std"), squared / squared.std(), atol=1e-12)


def test_scaled_cost_ignores_the_scale_of_the_points_also_in_its_gradient() -> None:
    x = torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    cost = cost_matrix(x, "scaled_sqeuclidean")
    torch.testing.assert_close(cost_matrix(5 * x, "scaled_sqeuclidean"), cost)
    (gradient,) = torch.autograd.grad(cost.square().sum(), x)
    assert (gradient * (x - x.mean(0))).sum().item() == pytest.approx(0, abs=1e-9)
    assert torch.autograd.gradcheck(lambda x: cost_matrix(x, "scaled_sqeuclidean"), x)


@pytest.mark.parametrize("shape", [(6, 5), (2, 4, 3)])
def test_gradient_of_the_cosine_equals_autograds_and_finite_differences(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
    weights = torch.randn(*shape[:-1], shape[-2], dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    unit = torch.nn.functional.normalize(x, dim=-1)
    (expected,) = torch.autograd.grad((unit @ unit.mT * weights).sum(), x)
    (found,) = torch.autograd.grad((cost_matrix(x, "cosine") * weights).sum(), x)
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(lambda x: cost_matrix(x, "cosine"), x)


def test_informative_costs_are_the_costs_or_refused_also_where_cosines_hardly_differ() -> None:
    rng = torch.Generator().manual_seed(6)
    for spread in (1.0, 1e-2, 1e-4):
        x = 1 + spread * torch.randn(6, 5, dtype=torch.float64, generator=rng)
        for cost in ("cosine", "sqeuclidean", "scaled_sqeuclidean"):
            assert torch.equal(informative_costs("x", x, cost), cost_matrix(x, cost))
    broken = torch.randn(6, 5, generator=rng)
    broken[2, 3] = torch.inf
    for x, why in ((torch.ones(4, 3), "has no variance"), (torch.zeros(4, 3), "no variance"), (broken, "be finite")):
        with pytest.raises(UndefinedCostError, match=f"y.*{why}"):
            informative_costs("y", x, "cosine")
    with pytest.raises(ValueError, match="y must have shape"):
        informative_costs("y", torch.zeros(3), "cosine")


def test_costs_keep_float32_under_autocast() -> None:
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(cost_matrix(x, "cosine"), cost_matrix(x.clone(), "cosine").float())
        assert cost_matrix(x.bfloat16(), "cosine").dtype == torch.float32
    torch.testing.assert_close(cost_matrix(x, "cosine").diagonal(), torch.ones(6))


def test_dissimilarity_of_points_with_themselves_is_zero() -> None:
    x = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for cost in ("cosine", "sqeuclidean"):
        matrix = dissimilarity(cost_matrix(x, cost), cost)
        assert (matrix >= 0).all()
        torch.testing.assert_close(matrix.diagonal(), torch.zeros(6, dtype=torch.float64))
        assert statistic_of(matrix) > 0


def test_unknown_names_and_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown cost 'l2'; known: cosine, sqeuclidean, scaled_sqeuclidean"):
        cost_matrix(torch.zeros(2, 2), "l2")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown statistic 'mode'; known: mean, max, std"):
        statistic_of(torch.zeros(2, 2), "mode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="x must have shape"):
        refuse_constant("x", torch.zeros(3), "cosine")


def test_what_counts_as_rounding_is_relative_to_the_largest_coordinate() -> None:
    x = torch.tensor([1e6, 0.0, 3.0]).repeat(8, 1)
    x[::2, 0] = torch.nextafter(x[0, 0], torch.tensor(torch.inf))
    with pytest.raises(UndefinedCostError, match="x has no variance"):
        refuse_constant("x", x, "sqeuclidean")
    x[0, 2] = 7.0
    refuse_constant("x", x, "sqeuclidean")
