"""What every score promises."""

from __future__ import annotations

from typing import Any

import numpy as np
from disent_metrics import get_score

from disent_bench.contracts.contract import contract, require

SIZES = (3, 4, 5)
FROM_CODES = {"codes", "factors", "test_codes", "test_factors", "represent", "factor_sizes"}


def _given() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 4))

    def represent(factors: Any) -> Any:
        return np.asarray(factors) @ weights

    factors, test = (rng.integers(SIZES, size=(count, 3)) for count in (1000, 500))
    return {
        "codes": represent(factors) + 0.1 * rng.normal(size=(1000, 4)),
        "factors": factors,
        "test_codes": represent(test) + 0.1 * rng.normal(size=(500, 4)),
        "test_factors": test,
        "represent": represent,
        "factor_sizes": SIZES,
    }


@contract("score")
def numbers_are_in_range_and_the_same_each_time(name: str) -> None:
    """Its numbers are those of its keys, in range, and the same each time."""
    score = get_score(name)
    if not set(score.inputs) <= FROM_CODES:
        return
    given = _given()
    found = score.function(*(given[each] for each in score.inputs))
    require(set(found) == set(score.keys), f"it returns {', '.join(found)}, not {', '.join(score.keys)}")
    for key, value in found.items():
        low, high = score.keys[key].low, score.keys[key].high
        require(isinstance(value, float), f"{key} is {type(value).__name__}, not float")
        require(low - 1e-9 <= value <= high + 1e-9, f"{key} is {value}, out of its range from {low} to {high}")
    require(score.function(*(given[each] for each in score.inputs)) == found, "its numbers change from call to call")


@contract("score")
def nan_is_refused(name: str) -> None:
    """Codes with NaN are refused, not scored."""
    score, given = get_score(name), _given()
    if "codes" not in score.inputs or not set(score.inputs) <= FROM_CODES:
        return
    given["codes"][3, 1] = np.nan
    try:
        found = score.function(*(given[each] for each in score.inputs))
    except ValueError:
        return
    require(False, f"codes with NaN give {found}")
