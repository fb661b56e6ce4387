"""A score's numbers and defaults change only together with its version.

``python tests/metrics/test_golden.py --renew`` writes the numbers anew.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from disent_metrics import get_score, scores

FILE = Path(__file__).with_name("golden.json")
SIZES = (3, 4, 5)
RENEW = "python tests/metrics/test_golden.py --renew writes it anew"


def represent(factors):
    """Four codes that mix three factors, with noise that depends on the grid point alone."""
    spread = np.asarray(factors) / (np.array(SIZES) - 1) * 2.0 - 1.0
    weights = np.array([[1.0, 0.4, 0.1], [0.2, 1.0, 0.5], [0.6, -0.3, 1.0], [0.1, 0.2, 0.3]])
    noise = 0.3 * np.random.default_rng(3).normal(size=(int(np.prod(SIZES)), 4))
    return spread @ weights.T + noise[np.ravel_multi_index(tuple(np.asarray(factors).T), SIZES)]


def numbers(name):
    """The score of fixed codes and images."""
    rng = np.random.default_rng(0)
    factors = rng.integers(SIZES, size=(1500, len(SIZES)))
    points = rng.random((24, 6))
    given = {
        "codes": represent(factors[:1000]),
        "factors": factors[:1000],
        "test_codes": represent(factors[1000:]),
        "test_factors": factors[1000:],
        "represent": represent,
        "factor_sizes": SIZES,
        "images": points,
        "reconstructions": points**2,
        "unmoved": points,
        "traversals": np.stack([points**2, points[:, ::-1] ** 3, points * [1, 2, 3, 4, 5, 6]]),
        "divergence": lambda a, b: float(np.abs(a - b).max()),
        "points": points,
        "latents": points[:, :3] ** 2,
        "decoded": points**3,
        "gromov_wasserstein": lambda a, b: float(((a - b) ** 2).mean() / 2),
    }
    score = get_score(name)
    return score.function(*(given[each] for each in score.inputs))


BUILT_IN = [name for name, score in scores().items() if score.function.__module__.startswith("disent_metrics.")]


@pytest.mark.parametrize("name", BUILT_IN)
def test_numbers_change_only_with_the_version(name):
    golden = json.loads(FILE.read_text())
    assert name in golden, f"score {name} has no golden value; {RENEW}"
    assert get_score(name).version == golden[name]["version"], f"the version of {name} was raised; {RENEW}"
    # scikit-learn's and LAPACK's last digits differ between processors
    assert numbers(name) == pytest.approx(golden[name]["numbers"], rel=1e-5, abs=1e-9), (
        f"score {name} gives other numbers than version {get_score(name).version} did: raise its version, say so in "
        f"docs/numbers.md; {RENEW}"
    )


def limits(name):
    """The defaults of a score's settings, and the fewest samples that it takes."""
    return {**get_score(name).settings(), "min_samples": get_score(name).min_samples}


@pytest.mark.parametrize("name", BUILT_IN)
def test_defaults_change_only_with_the_version(name):
    assert limits(name) == json.loads(FILE.read_text())[name]["defaults"], (
        f"score {name} has other defaults: raise its version, say so in docs/numbers.md; {RENEW}"
    )


if __name__ == "__main__" and "--renew" in sys.argv:
    found = {
        name: {"version": get_score(name).version, "defaults": limits(name), "numbers": numbers(name)}
        for name in BUILT_IN
    }
    FILE.write_text(json.dumps(found, indent=2) + "\n")
