import itertools

import pytest
import torch
from torch import Tensor

from disent_bench.functional.hausdorff import hausdorff_factorised_support, sample_latent_pairs


def brute_force(codes: Tensor, pairs: Tensor) -> Tensor:
    total = torch.zeros((), dtype=codes.dtype)
    for pair in pairs.tolist():
        plane = codes[:, pair]
        support = torch.cartesian_prod(plane[:, 0], plane[:, 1])
        total = total + (support[:, None] - plane[None]).square().sum(-1).min(1).values.max()
    return total


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_value_and_gradient_equal_the_definition(n: int) -> None:
    codes = torch.randn(n, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(n)).requires_grad_()
    pairs = torch.combinations(torch.arange(5), 2)
    ours, theirs = hausdorff_factorised_support(codes, pairs), brute_force(codes, pairs)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, codes)[0], torch.autograd.grad(theirs, codes)[0])
    assert torch.autograd.gradcheck(lambda z: hausdorff_factorised_support(z, pairs), codes)


def test_large_batches_in_chunks_equal_the_definition() -> None:
    codes = torch.randn(210, 3, generator=torch.Generator().manual_seed(0))
    pairs = torch.combinations(torch.arange(3), 2)
    torch.testing.assert_close(hausdorff_factorised_support(codes, pairs), brute_force(codes, pairs))


def test_a_grid_is_its_own_factorised_support_and_a_diagonal_is_not() -> None:
    grid = torch.tensor(list(itertools.product([0.0, 1.0, 3.0], [0.0, 2.0])))
    pair = torch.tensor([[0, 1]])
    assert hausdorff_factorised_support(grid, pair) == 0
    diagonal = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    assert hausdorff_factorised_support(diagonal, pair) == 1
    assert hausdorff_factorised_support(3 * diagonal, pair) == 9


def test_pairs_are_distinct_ordered_and_governed_by_the_generator() -> None:
    pairs = sample_latent_pairs(10, 25, torch.Generator().manual_seed(0))
    assert pairs.shape == (25, 2)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len({tuple(pair) for pair in pairs.tolist()}) == 25
    assert torch.equal(pairs, sample_latent_pairs(10, 25, torch.Generator().manual_seed(0)))
    assert not torch.equal(pairs, sample_latent_pairs(10, 25, torch.Generator().manual_seed(1)))
    assert len(sample_latent_pairs(10, 99)) == 45


def test_bad_arguments_are_refused() -> None:
    codes = torch.zeros(4, 3)
    with pytest.raises(ValueError, match="codes must have shape"):
        hausdorff_factorised_support(torch.zeros(4), torch.tensor([[0, 1]]))
    with pytest.raises(ValueError, match="pairs must be integers"):
        hausdorff_factorised_support(codes, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="pairs must name latents from 0 to 2"):
        hausdorff_factorised_support(codes, torch.tensor([[0, 3]]))
    with pytest.raises(ValueError, match="num_latents must be at least 2"):
        sample_latent_pairs(1, 1)
    with pytest.raises(ValueError, match="num_pairs must be at least 1"):
        sample_latent_pairs(3, 0)
    assert hausdorff_factorised_support(codes, torch.empty(0, 2, dtype=torch.long)) == 0
