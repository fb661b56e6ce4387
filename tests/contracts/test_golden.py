"""Bottlenecks, networks and data sets change their numbers only together with their version; nor does a default drift.

``python tests/contracts/test_golden.py --renew`` writes the numbers anew.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
import torch

import disent_bench.bottlenecks  # noqa: F401 (fills the registry)
from disent_bench import weights
from disent_bench.contracts.networks import side_of
from disent_bench.forward import Pass
from disent_bench.nets import build_network
from disent_bench.players import Optimizer
from disent_bench.registry import BOTTLENECKS, NETWORKS, TERMS
from disent_bench.signatures import settings_of
from disent_bench.terms import make_term

FILE = Path(__file__).with_name("golden.json")
DEFAULTS = Path(__file__).with_name("golden_defaults.json")
RENEW = "python tests/contracts/test_golden.py --renew writes it anew"


def of_bottleneck(name: str) -> list[float]:
    """Sums over ``z`` and codes of fixed features, in float64."""
    bottleneck = BOTTLENECKS[name].factory()
    bottleneck.setup((1, 8, 8), 3)
    features = torch.linspace(-2, 2, 8 * bottleneck.num_features(3)).sin().reshape(8, -1)
    torch.manual_seed(0)
    z = Pass(rules={"features": lambda _: features, **bottleneck.rules()}).z
    weights = torch.linspace(0.5, 1.5, 24).reshape(8, 3)
    return [float((each.detach() * weights).sum()) for each in (z, bottleneck.encode(features))]


def of_network(name: str) -> list[float]:
    """Sums over features and logits of a fixed image and latent, in float64."""
    side = side_of(name)
    torch.manual_seed(0)
    encoder, decoder = build_network(name, (1, side, side), 10)
    assert decoder is not None
    x = torch.linspace(0, 1, side * side, dtype=torch.float64).reshape(1, 1, side, side)
    z = torch.linspace(-1, 1, 10, dtype=torch.float64)[None]
    with torch.no_grad():
        features, logits = encoder.double()(x)[0], decoder.double()(z).flatten()
    return [
        float((each * torch.linspace(0.5, 1.5, len(each), dtype=torch.float64)).sum()) for each in (features, logits)
    ]


def of_images(name: str) -> list[float]:
    """Mean grey, up to 255, of the upper left and of all of some images."""
    info = dd.info(name)
    source = "rendered" if "rendered" in info.sources else info.sources[0]
    grid = dd.load(name, source=source)
    images = 255 / grid.scale * grid.images(np.linspace(0, len(grid) - 1, 6).astype(int))
    height, width, _ = info.shape
    return [float(part.mean()) for image in images for part in (image[: height // 2, : width // 2], image)]


def drawn_at_once() -> list[str]:
    """Built-in data sets whose images are made here, one by one or all in seconds."""
    made = [name for name in dd.names() if dd.info(name).offline]
    return [name for name in made if "rendered" in dd.info(name).sources or dd.info(name).nbytes < 4e8]


KINDS = {
    "bottleneck": (list(BOTTLENECKS), of_bottleneck, lambda name: BOTTLENECKS[name].version),
    "network": (list(NETWORKS), of_network, lambda name: NETWORKS[name].version),
    "data": (drawn_at_once(), of_images, lambda name: dd.info(name).version),
}
CASES = [(kind, name) for kind, (names, *_) in KINDS.items() for name in names]


def marked(kind: str, name: str) -> Any:
    """Drawing all of dSprites takes seconds, and more on a busy machine."""
    slow = kind == "data" and "rendered" not in dd.info(name).sources and dd.info(name).nbytes > 1e8
    return pytest.param(kind, name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("kind", "name"), [marked(*case) for case in CASES])
def test_numbers_change_only_with_the_version(
    kind: str, name: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISENT_DATA", str(data_dir))
    _, numbers, version = KINDS[kind]
    golden = json.loads(FILE.read_text())
    key = f"{kind} {name}"
    assert key in golden, f"{key} has no golden value; {RENEW}"
    assert version(name) == golden[key]["version"], f"the version of {key} was raised; {RENEW}"
    # the last digits of float32 initial values, and single pixels of a renderer, may differ between processors
    tolerance = {"rel": 1e-4, "abs": 0.02 if kind == "data" else 1e-5}
    assert numbers(name) == pytest.approx(golden[key]["numbers"], **tolerance), (
        f"{key} gives other numbers than version {version(name)} did: raise its version, say so in docs/numbers.md; "
        f"{RENEW}"
    )


def defaults() -> dict[str, dict[str, Any]]:
    """Defaults of every term, bottleneck and weight, and of an optimiser."""
    ours = lambda entry: entry.factory.__module__.startswith("disent_bench.")  # noqa: E731
    built = {f"term {entry.name}": make_term(entry.name) for entry in TERMS.entries() if ours(entry)}
    built |= {f"bottleneck {entry.name}": entry.factory() for entry in BOTTLENECKS.entries() if ours(entry)}
    found = {key: {name: getattr(each, name) for name in settings_of(type(each))} for key, each in built.items()}
    for cls in (weights.Constant, weights.Linear, weights.Capacity, weights.PI, Optimizer):
        arguments = inspect.signature(cls).parameters.values()
        found[cls.__name__] = {p.name: p.default for p in arguments if p.default is not p.empty}
    return {key: {name: str(value) for name, value in values.items()} for key, values in found.items()}


def test_no_default_changes_unnoticed() -> None:
    """Somebody's numbers were made with it: docs/numbers.md says what they become, and a version may have to rise."""
    assert defaults() == json.loads(DEFAULTS.read_text()), RENEW


if __name__ == "__main__" and "--renew" in sys.argv:
    DEFAULTS.write_text(json.dumps(defaults(), indent=2) + "\n")
    found = {
        f"{kind} {name}": {"version": KINDS[kind][2](name), "numbers": KINDS[kind][1](name)} for kind, name in CASES
    }
    FILE.write_text(json.dumps(found, indent=2) + "\n")
