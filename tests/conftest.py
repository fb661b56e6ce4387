"""What every test shares."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from unittest import mock

import disent_datasets
import pytest
import torch
from disent_datasets.registry import REGISTERED

os.environ.pop("DISENT_DATA", None)
# Two tests run side by side, on one thread each; on small inputs that is faster than one test on two threads.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A shell's background jobs ignore Ctrl-C, and their children with them; tests send it to children that should not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Triton looks at this when it is imported, which lightning does where it is installed.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def module_at() -> Callable[[str], ModuleType]:
    """Import a file of the checkout that is in no package, such as ``docs/generate.py``."""

    def load(path: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for the whole session, so that each set is made once, also for tests side by side."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "data"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def own_data_sets() -> Iterator[None]:
    """Data sets that the test registers are forgotten after it."""
    disent_datasets.names()
    with mock.patch.dict(REGISTERED):
        yield
