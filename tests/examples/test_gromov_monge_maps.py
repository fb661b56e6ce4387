from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture(scope="module")
def maps(module_at: Callable[[str], ModuleType]) -> ModuleType:
    return module_at("examples/gromov_monge_maps.py")


def test_prints_a_table_and_draws_a_picture(root: Path, tmp_path: Path) -> None:
    picture = tmp_path / "maps.png"
    script = root / "examples" / "gromov_monge_maps.py"
    done = subprocess.run(
        [sys.executable, script, "--steps", "2", "--output", picture], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = [line.split() for line in done.stdout.splitlines() if "sqeuclidean" in line or "cosine" in line]
    assert len(rows) == 12
    for target in ("square", "circle"):
        mine = [row for row in rows if row[0] == target]
        assert [row[2] for row in mine] == ["none", "distortion", "gap"] * 2
        assert mine[0][3] == mine[3][3], "without a regulariser the cost changes nothing"
    assert all(float(row[4]) >= float(row[5]) >= 0 for row in rows), "the gap lies between 0 and the distortion"


@pytest.mark.slow
@pytest.mark.parametrize("cost", ["sqeuclidean", "cosine"])
def test_at_one_weight_only_the_gap_fits_and_keeps_geometry(maps: ModuleType, cost: str) -> None:
    rng = torch.Generator().manual_seed(5)
    x, wanted = maps.mixture(2000, rng), maps.square(2000, rng)  # two samples of the target: W2 about 0.06
    fit, gap = {}, {}
    for name in maps.REGULARISERS:
        y = maps.train("square", name, cost, maps.WEIGHTS[cost], 600, 0)(x).detach()
        fit[name], gap[name] = maps.wasserstein(y, wanted), maps.geometry("gap", x[:256], y[:256], cost).item()
    assert fit["distortion"] > 1.2 * max(fit["gap"], fit["none"])
    assert gap["none"] > 10 * max(gap["gap"], gap["distortion"])
