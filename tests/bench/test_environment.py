"""Installations that nobody can write to, and versions that work together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import disent_bench


def test_numba_compiles_where_it_can_write_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    disent_bench._compile_somewhere()
    assert "NUMBA_CACHE_DIR" not in os.environ, "a cache that can be written is used"
    monkeypatch.setattr(disent_bench.os, "access", lambda path, mode: False)
    disent_bench._compile_somewhere()
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.is_dir()
    code = "from disent_metrics.estimators.support_kernels import *; print('compiled')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "compiled\n"
    monkeypatch.setenv("NUMBA_CACHE_DIR", "mine")
    disent_bench._compile_somewhere()
    assert os.environ["NUMBA_CACHE_DIR"] == "mine", "what the user set stays"


@pytest.mark.xdist_group("grouped")
def test_tests_of_a_group_have_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist 3.8 forgets groups beside pytest 9.2 (its issue 1386): what they share is made on each worker."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert request.node.nodeid.endswith("@grouped"), "constraints.txt names versions that work together"
