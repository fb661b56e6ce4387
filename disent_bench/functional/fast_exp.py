"""An exponential that compiled loops vectorise; numba's own calls the C library entry by entry."""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

# Below these, float32 and float64 results are zero. The smallest others stay far from the denormal numbers, with which
# processors compute some hundred times slower, also after a product with another small factor.
_LEAST_SINGLE = -60.0
_LEAST_DOUBLE = -600.0


def vector_exp(x: Any) -> Any:
    """``exp(x)`` for finite ``x <= 0`` in a compiled loop, float32 or float64: exact to two units of rounding.

    ``2^k exp(r)`` with ``k = round(x / log 2)``, Cody and Waite's two-part reduction, and Taylor's polynomial. Called
    from Python, as with numba's compiler switched off, it is NumPy's exponential.
    """
    return np.exp(x)


@overload(vector_exp, inline="always")
def _vector_exp(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            k = np.rint(x * np.float32(1.4426950408889634))
            r = (x - k * np.float32(0.693359375)) + k * np.float32(2.12194440e-4)
            tail = np.float32(1 / 5040)
            tail = tail * r + np.float32(1 / 720)
            tail = tail * r + np.float32(1 / 120)
            tail = tail * r + np.float32(1 / 24)
            tail = tail * r + np.float32(1 / 6)
            tail = tail * r + np.float32(1 / 2)
            power = np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
            value = (tail * r * r + r + np.float32(1)) * power
            return value if x > np.float32(_LEAST_SINGLE) else np.float32(0)

        return single

    def double(x: Any) -> Any:
        k = np.rint(x * 1.4426950408889634)
        r = (x - k * 6.93145751953125e-1) - k * 1.42860682030941723212e-6
        tail = 1 / 6227020800
        tail = tail * r + 1 / 479001600
        tail = tail * r + 1 / 39916800
        tail = tail * r + 1 / 3628800
        tail = tail * r + 1 / 362880
        tail = tail * r + 1 / 40320
        tail = tail * r + 1 / 5040
        tail = tail * r + 1 / 720
        tail = tail * r + 1 / 120
        tail = tail * r + 1 / 24
        tail = tail * r + 1 / 6
        tail = tail * r + 1 / 2
        power = np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(np.float64)
        value = (tail * r * r + r + 1.0) * power
        return value if x > _LEAST_DOUBLE else 0.0

    return double
