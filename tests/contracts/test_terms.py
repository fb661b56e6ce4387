"""The value of every term changes only together with its version.

``python tests/contracts/test_terms.py --renew`` writes the values anew.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch

import disent_bench.terms  # noqa: F401
from disent_bench.forward import Pass
from disent_bench.objective import Objective
from disent_bench.registry import TERMS
from disent_bench.signatures import settings_of
from disent_bench.terms import make_term

NAMES = list(TERMS)
GOLDEN = Path(__file__).with_name("golden_terms.json")


@pytest.mark.parametrize("name", [name for name in NAMES if TERMS[name].factory.__module__.startswith("disent_bench.")])
def test_a_term_of_the_library_names_its_source(name: str) -> None:
    assert TERMS[name].paper
    assert len(inspect.getdoc(TERMS[name].factory.forward) or "") > 10


def golden_values(name: str) -> dict[str, float]:
    """The term's value as it comes, and with each other choice of a setting."""
    choices = {
        f"{key}={choice}": {key: choice}
        for key, hint in settings_of(TERMS[name].factory).items()
        if get_origin(hint) is Literal and key not in ("moves", "solver")  # neither changes the value
        for choice in get_args(hint)
    }
    return {key: golden_value(name, settings) for key, settings in {"default": {}, **choices}.items()}


def golden_value(name: str, settings: dict[str, Any]) -> float:
    """The term's value in float64 on a fixed smooth autoencoder, which no network's rounding enters."""
    rng = torch.Generator().manual_seed(5)
    maps = [torch.randn(3, 64, generator=rng, dtype=torch.float64) for _ in range(2)]
    x = torch.rand(24, 1, 8, 8, generator=rng, dtype=torch.float64)
    mean = x.flatten(1) @ maps[0].T / 8
    noise = torch.randn(24, 3, generator=rng, dtype=torch.float64)
    given: dict[str, Any] = {
        "decode": lambda z: 2 * (z @ maps[1]).sin().reshape(-1, 1, 8, 8),
        "encode": lambda x: (x.flatten(1) @ maps[0].T / 8, x.flatten(1)[:, :3] - 2),
        "activations": lambda z: [(z @ maps[0]).sin(), (z @ maps[1]).cos().reshape(-1, 4, 4, 4)],
        "latent_norms": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        "n_train": 1000,
        "step": 0,
    }
    rules = {"continuous": lambda p: p.mean, "quantised": lambda p: p.mean.round()}
    second = Pass(x=x.flip(0), z=mean.flip(0) + 0.1, mean=mean.flip(0), logvar=torch.zeros_like(mean), **given)
    logvar = x.flatten(1)[:, :3] - 2
    p = Pass(x=x, mean=mean, logvar=logvar, z=mean + (0.5 * logvar).exp() * noise, second=second, rules=rules, **given)
    torch.manual_seed(0)
    term = make_term(name, **settings)
    Objective(term).setup((1, 8, 8), 3)
    return float(term.double()(p).detach())


@pytest.mark.parametrize("name", [name for name in NAMES if TERMS[name].factory.__module__.startswith("disent_bench.")])
def test_the_value_changes_only_with_the_version(name: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    renew = f"python {Path(__file__).name} --renew writes the values anew"
    assert name in golden, f"term {name} has no golden value; {renew}"
    assert TERMS[name].version == golden[name]["version"], f"the version of {name} was raised; {renew}"
    assert golden_values(name) == pytest.approx(golden[name]["values"], rel=1e-7, abs=1e-12), (
        f"term {name} gives another value than version {TERMS[name].version} did: raise its version, say so in "
        f"docs/numbers.md; {renew}"
    )


if __name__ == "__main__" and "--renew" in sys.argv:
    values = {name: {"version": TERMS[name].version, "values": golden_values(name)} for name in sorted(NAMES)}
    GOLDEN.write_text(json.dumps(values, indent=2) + "\n")
