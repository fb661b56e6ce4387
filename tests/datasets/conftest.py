from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from disent_datasets.factors import FactorSpace
from disent_datasets.info import DatasetInfo, Request


def _info(scale: int) -> DatasetInfo:
    space = FactorSpace(("kind", "size", "place"), (3, 4, 5))
    return DatasetInfo("tiny", "Tiny", space, (8, 8, 1), ("drawn",), "none", "nobody", scale)


@pytest.fixture(params=[1, 255], ids=["binary", "grey"])
def request_tiny(request: pytest.FixtureRequest, tmp_path: Path) -> Request:
    """A data set of 60 images of 8 x 8 pixels, once stored as bits and once as bytes."""
    return Request(_info(request.param), "drawn", tmp_path / "data")


@pytest.fixture
def tiny_images() -> Callable[[Request], np.ndarray]:
    def images(request: Request) -> np.ndarray:
        shape = (request.info.space.size, *request.info.shape)
        return np.random.default_rng(0).integers(0, request.info.scale + 1, shape).astype(np.uint8)

    return images


# A data set of 4,096 random binary images of 64 x 64 pixels (2 MB stored) in a process of its own. `pause(n)`
# is called after each of 8 blocks; each making of the set adds a line to the file "made".
CHILD = """
import os, pathlib, resource, sys, time
import numpy as np
import disent_datasets as dd
from disent_datasets.cache import Origin, stored_grid

folder = pathlib.Path(sys.argv[1])

def pause(block):
    pass

@dd.register_dataset("child", title="Child", factors=dd.FactorSpace(("a", "b"), (64, 64)), shape=(64, 64, 1),
                     licence="none", citation="nobody", sources=("drawn",), scale=1)
def child(request):
    def blocks():
        with open(folder / "made", "a") as file:
            file.write("made\\n")
        generator = np.random.default_rng(0)
        for block in range(8):
            yield generator.integers(0, 2, (512, 64, 64, 1)).astype(np.uint8)
            pause(block)
    return stored_grid(request, lambda: Origin(blocks, "drawing"), rebuild=True)

def load():
    try:
        print(dd.load("child", data_dir=folder / "data").fingerprint)
    except dd.DataError as error:
        print("DataError:", error)
"""


@pytest.fixture
def start_child(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start ``CHILD`` followed by the given code."""

    def start(code: str, folder: Path = tmp_path) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-c", CHILD + code, str(folder)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    return start
