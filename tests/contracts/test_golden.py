"""Bottlenecks, networks and data sets change their numbers only together with their version.

``python tests/contracts/test_golden.py --renew`` writes the numbers anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import disent_datasets as dd
import numpy as np
import pytest
import torch

import disent_bench.bottlenecks  # noqa: F401 (fills the registry)
from disent_bench.forward import Pass
from disent_bench.nets import build_network
from disent_bench.registry import BOTTLENECKS, NETWORKS

FILE = Path(__file__).with_name("golden.json")
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
    torch.manual_seed(0)
    encoder, decoder = build_network(name, (1, 64, 64), 10)
    assert decoder is not None
    x = torch.linspace(0, 1, 64 * 64, dtype=torch.float64).reshape(1, 1, 64, 64)
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


if __name__ == "__main__" and "--renew" in sys.argv:
    found = {
        f"{kind} {name}": {"version": KINDS[kind][2](name), "numbers": KINDS[kind][1](name)} for kind, name in CASES
    }
    FILE.write_text(json.dumps(found, indent=2) + "\n")
