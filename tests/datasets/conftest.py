from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.request import DatasetInfo, Request


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
# is called after each of 8 blocks, which has added its number to the file "made".
CHILD = """
import os, pathlib, resource, sys, time
import numpy as np
import disent_datasets as dd
from disent_datasets.storage.stored import Origin, stored_grid

folder = pathlib.Path(sys.argv[1])
dd.names()

def pause(block):
    pass

@dd.register_dataset("child", title="Child", factors=dd.FactorSpace(("a", "b"), (64, 64)), shape=(64, 64, 1),
                     licence="none", citation="nobody", sources=("drawn",), scale=1)
def child(request):
    def blocks():
        for block in range(8):
            with open(folder / "made", "a") as file:
                file.write(str(block))
            yield np.random.default_rng(block).integers(0, 2, (512, 64, 64, 1)).astype(np.uint8)
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


@dataclass
class Served:
    content: bytes
    content_type: str = "application/octet-stream"
    ranges: bool = True
    weak: bool = False
    cut_after: list[int] = field(default_factory=list)
    gate: threading.Event | None = None
    open_for: int | None = None
    """With a gate: bytes that are sent before it opens."""

    @property
    def tag(self) -> str:
        return f'{"W/" if self.weak else ""}"{hashlib.md5(self.content).hexdigest()}"'


class Handler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.requests.append(self)
        served = self.server.files.get(self.path.lstrip("/"))
        if served is None:
            self.send_error(404)
            return
        if served.gate and served.open_for is None:
            served.gate.wait(60)
        start = 0
        asked = self.headers.get("Range")
        if asked and served.ranges and self.headers.get("If-Range") in (None, served.tag):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        rest = served.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("Content-Type", served.content_type)
        self.send_header("ETag", served.tag)
        self.end_headers()
        if served.cut_after:
            rest = rest[: served.cut_after.pop(0)]
        if served.open_for and served.gate:
            self.wfile.write(rest[: served.open_for])
            served.gate.wait(60)
            rest = rest[served.open_for :]
        self.wfile.write(rest)
        self.server.sent.append(len(rest))

    def log_message(self, *_: Any) -> None:
        pass


class FileServer(http.server.ThreadingHTTPServer):
    """Serves bytes over HTTP with ranges and entity tags, and breaks connections off when told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        self.requests: list[Handler] = []
        self.sent: list[int] = []

    def handle_error(self, *_: Any) -> None:
        """A client that is killed is part of the test."""

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def serve(self, name: str, content: bytes, **behaviour: Any) -> str:
        self.files[name] = Served(content, **behaviour)
        return self.url(name)

    def heal(self, name: str) -> None:
        self.files[name].cut_after.clear()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def untouched() -> Callable[..., AbstractContextManager[None]]:
    """Check that files are as they were, seen by their bytes and their times."""

    @contextmanager
    def check(*paths: Path) -> Iterator[None]:
        before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
        yield
        assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths] == before

    return check


@pytest.fixture
def refuses() -> Callable[[Callable[[], object], Path, str], None]:
    """Check that loading is refused with one line, and that nothing is stored under a data folder."""

    def check(load: Callable[[], object], data_dir: Path, message: str) -> None:
        with pytest.raises(DataError, match=message) as caught:
            load()
        assert "\n" not in str(caught.value)
        assert not list(data_dir.glob("*/*.npy"))

    return check
