import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from disent_bench.functional.fast_exp import vector_exp


@njit
def exponentials(values: NDArray, result: NDArray) -> None:
    for k in range(values.size):
        result[k] = vector_exp(values[k])


@pytest.mark.parametrize(("dtype", "least"), [(np.float32, -60), (np.float64, -600)])
def test_exponential_is_exact_to_rounding_and_zero_far_down(dtype: type, least: float) -> None:
    values = np.linspace(least, 0, 100_001, dtype=dtype)[1:]
    found = np.empty_like(values)
    exponentials(values, found)
    exact = np.exp(values.astype(np.longdouble))
    assert np.abs(found / exact - 1).max() < 2 * np.finfo(dtype).eps
    assert found[-1] == 1
    far = np.array([1.01 * least, -1e30, -np.inf], dtype=dtype)
    found = np.ones_like(far)
    exponentials(far, found)
    assert (found == 0).all()
