import numpy as np
import pytest
from disent_metrics.functional import factorized_support


def brute_force(codes, batch_size):
    """Every recombination against every point."""
    values = []
    for start in range(0, len(codes), batch_size):
        batch = codes[start : start + batch_size]
        total = 0.0
        for i in range(codes.shape[1]):
            for j in range(i + 1, codes.shape[1]):
                recombined = np.array([[a, b] for a in batch[:, i] for b in batch[:, j]])
                squared = ((recombined[:, None] - batch[None, :, [i, j]]) ** 2).sum(axis=-1)
                total += squared.min(axis=1).max()
        values.append(total)
    return np.mean(values)


@pytest.mark.parametrize("batch_size", [16, 50])
def test_equals_brute_force(batch_size):
    codes = np.random.default_rng(0).normal(size=(70, 4)) @ np.random.default_rng(1).normal(size=(4, 4))
    assert factorized_support(codes, batch_size=batch_size)["factorized_support"] == pytest.approx(
        brute_force(codes, batch_size)
    )


def test_a_full_product_has_no_distance_and_a_diagonal_does():
    grid = np.stack(np.unravel_index(np.arange(64), (8, 8)), axis=1) * 1.0
    assert factorized_support(grid) == {"factorized_support": 0.0}
    diagonal = np.repeat(np.arange(8.0)[:, None], 2, axis=1)
    assert factorized_support(diagonal)["factorized_support"] == pytest.approx(3**2 + 4**2)


def test_batch_of_one_is_refused():
    with pytest.raises(ValueError, match="batch_size is 1"):
        factorized_support(np.eye(3), batch_size=1)
