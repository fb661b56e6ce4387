"""What importing the package may load, each in a fresh interpreter."""

import subprocess
import sys

import pytest

WATCHED = {"torch", "numba", "sklearn", "lightning", "pytorch_lightning", "disent_bench", "disent_datasets"}


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import disent_metrics", set()),
        ("import disent_metrics; disent_metrics.higher_is_better('mig')", set()),
        ("from disent_metrics.functional import dci", set()),
        ("import disent_metrics; [getattr(disent_metrics, n) for n in disent_metrics.__all__]", {"torch"}),
    ],
)
def test_loads_no_more_than_it_uses(code, loaded):
    command = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) & WATCHED <= loaded


def test_public_names_exist():
    import disent_metrics
    import disent_metrics.functional

    for module in (disent_metrics, disent_metrics.functional):
        for name in module.__all__:
            assert callable(getattr(module, name)) or name == "PROTOCOLS"
    assert set(disent_metrics.CLASSES) <= set(dir(disent_metrics))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        disent_metrics.Nothing  # noqa: B018
