"""What importing loads, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import grimp
import pytest


@pytest.mark.parametrize(
    ("package", "unwanted"),
    [
        ("disent_metrics", ["lightning", "disent_bench", "disent_datasets"]),
        ("disent_metrics.functional", ["lightning"]),
        ("disent_datasets", ["lightning", "disent_bench", "disent_metrics"]),
        ("disent_bench.leaderboard.render", ["lightning", "torch"]),
        ("disent_bench.functional.rtd", ["lightning"]),
        ("disent_bench.terms", ["lightning"]),
    ],
)
def test_imports_stay_light(package: str, unwanted: list[str]) -> None:
    program = f"import sys, {package}; print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_threads_wait_without_spinning_unless_the_user_says_otherwise() -> None:
    program = "import disent_bench, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    for given, policy in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
        words = [sys.executable, "-c", program]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
        assert done.stdout.split() == [policy, "False"]


def test_dependencies_point_one_way(root: Path) -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_source_roots_are_no_packages(root: Path) -> None:
    assert not [name for name in ("datasets", "metrics", "tests") if (root / name / "__init__.py").exists()]


@pytest.mark.parametrize("package", ["disent_bench", "disent_metrics", "disent_datasets"])
def test_no_package_imports_in_circles(package: str) -> None:
    graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    waiting = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    while free := [module for module, needs in waiting.items() if not needs]:
        for module in free:
            del waiting[module]
        for needs in waiting.values():
            needs.difference_update(free)
    assert not waiting, f"circles among {sorted(waiting)}"
