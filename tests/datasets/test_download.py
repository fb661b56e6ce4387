"""Downloads from a local HTTP server that fails in every way servers do."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from disent_datasets import DataError, FactorSpace
from disent_datasets.originals.download import RemoteFile, _show_licence, obtain
from disent_datasets.request import DatasetInfo, Request

CONTENT = np.random.default_rng(0).bytes(1_000_000)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
Server = Any


@pytest.fixture
def request_remote(tmp_path: Path) -> Request:
    info = DatasetInfo(
        "far", "Far", FactorSpace(("a",), (2,)), (8, 8, 1), ("official",), "CC0", "somebody", page="https://far.example"
    )
    return Request(info, "official", tmp_path / "data")


def remote(*urls: str, checksum: str = SHA256, **more: Any) -> RemoteFile:
    return RemoteFile("far.bin", urls, (checksum,) if checksum else (), **more)


def left(request: Request) -> list[str]:
    return sorted(path.name for path in request.folder.iterdir())


@pytest.mark.parametrize("checksum", [MD5, SHA256])
def test_downloads_once_and_shows_the_licence_first(
    request_remote: Request, server: Server, checksum: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _show_licence.cache_clear()
    url = server.serve("far.bin", CONTENT)
    path = obtain(request_remote, [remote(url, checksum=checksum)])
    assert path == request_remote.folder / "far.bin"
    assert path.read_bytes() == CONTENT
    assert left(request_remote) == ["far.bin"]
    out, err = capsys.readouterr()
    assert out == ""
    assert "Far (https://far.example), licence: CC0; please cite: somebody" in err
    assert obtain(request_remote, [remote(url, checksum=checksum)]) == path
    assert len(server.requests) == 1
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("folder", ["far", "dlib_name", "."])
def test_a_file_in_place_is_used_as_it_lies(request_remote: Request, folder: str) -> None:
    path = request_remote.data_dir / folder / "far.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    assert obtain(request_remote, [remote()], ["dlib_name"]) == path
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=rf"{path} is not the official file: sha256 .* instead of {SHA256[7:]}"):
        obtain(request_remote, [remote()], ["dlib_name"])
    assert path.exists()


def test_the_next_mirror_after_a_404(request_remote: Request, server: Server) -> None:
    gone, there = server.url("gone.bin"), server.serve("far.bin", CONTENT)
    assert obtain(request_remote, [remote(gone, there)]).read_bytes() == CONTENT
    assert [each.path for each in server.requests] == ["/gone.bin", "/far.bin"]


def test_the_next_mirror_after_wrong_content(request_remote: Request, server: Server) -> None:
    bad, good = server.serve("bad.bin", CONTENT[::-1]), server.serve("good.bin", CONTENT)
    assert obtain(request_remote, [remote(bad, good)]).read_bytes() == CONTENT
    assert left(request_remote) == ["far.bin"]


def test_the_next_mirror_after_a_web_page(request_remote: Request, server: Server) -> None:
    page = server.serve("page", b"<html>quota exceeded</html>", content_type="text/html; charset=utf-8")
    with pytest.raises(DataError, match="page: answers with a web page instead of the file;"):
        obtain(request_remote, [remote(page)])
    assert obtain(request_remote, [remote(page, server.serve("far.bin", CONTENT))]).read_bytes() == CONTENT


def test_another_format_if_the_first_cannot_be_had(request_remote: Request, server: Server) -> None:
    first = RemoteFile("far.zip", (server.url("far.zip"),), (MD5,))
    assert obtain(request_remote, [first, remote(server.serve("far.bin", CONTENT))]).name == "far.bin"


def test_when_nothing_works_one_line_says_why_and_what_to_do(request_remote: Request, server: Server) -> None:
    bad = server.serve("bad.bin", CONTENT[:1000])
    urls = (server.url("gone.bin"), bad, "http://127.0.0.1:9/off.bin", "http://127.0.0.1:9/mirror.bin")
    with pytest.raises(DataError) as caught:
        obtain(request_remote, [remote(*urls)])
    message = str(caught.value)
    assert "\n" not in message
    assert "gone.bin: 404 Not Found; " in message
    assert f"is not the official file: sha256 {hashlib.sha256(CONTENT[:1000]).hexdigest()}" in message
    assert "; 127.0.0.1:9 cannot be reached (offline?); " in message
    assert message.count("127.0.0.1:9 cannot") == 1
    assert message.endswith(
        f"put far.bin by hand into {request_remote.folder}, or give its path as --file or files= (see https://far.example)"
    )
    assert left(request_remote) == []


def test_a_broken_connection_is_taken_up_where_it_broke(request_remote: Request, server: Server) -> None:
    url = server.serve("far.bin", CONTENT, cut_after=[400_000, 300_000])
    assert obtain(request_remote, [remote(url)]).read_bytes() == CONTENT
    starts = [int(each.headers["Range"][6:-1]) for each in server.requests[1:]]
    assert len(starts) == 2
    assert 0 < starts[0] <= 400_000 < starts[1] <= 700_000
    assert sum(server.sent) < 1.6 * len(CONTENT)


def test_a_server_without_ranges_starts_again(request_remote: Request, server: Server) -> None:
    url = server.serve("far.bin", CONTENT, cut_after=[600_000], ranges=False)
    assert obtain(request_remote, [remote(url)]).read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_a_weak_entity_tag_does_not_tell_versions_apart(request_remote: Request, server: Server) -> None:
    url = server.serve("far.bin", CONTENT, cut_after=[600_000], weak=True)
    assert obtain(request_remote, [remote(url)]).read_bytes() == CONTENT
    assert "Range" not in server.requests[1].headers


def test_a_server_that_always_breaks_off_is_left(request_remote: Request, server: Server) -> None:
    url = server.serve("far.bin", CONTENT, cut_after=[500_000] * 50, ranges=False)
    with pytest.raises(DataError, match="the connection broke off"):
        obtain(request_remote, [remote(url)])
    assert len(server.requests) == 2


def test_the_next_process_goes_on_with_what_is_there(request_remote: Request, server: Server) -> None:
    url = server.serve("far.bin", CONTENT, cut_after=[700_000, 0])
    with pytest.raises(DataError, match="broke off"):
        obtain(request_remote, [remote(url)])
    have = (request_remote.folder / ".far.bin.part").stat().st_size
    assert 0 < have <= 700_000
    server.heal("far.bin")
    assert obtain(request_remote, [remote(url)]).read_bytes() == CONTENT
    assert server.requests[-1].headers["Range"] == f"bytes={have}-"
    assert left(request_remote) == ["far.bin"]


def test_a_part_of_another_version_or_mirror_is_not_gone_on_with(request_remote: Request, server: Server) -> None:
    url = server.serve("far.bin", CONTENT[::-1], cut_after=[700_000, 0])
    for again in (url, server.serve("mirror.bin", CONTENT)):
        with pytest.raises(DataError, match="broke off"):
            obtain(request_remote, [remote(url)])
        server.serve("far.bin", CONTENT)
        path = obtain(request_remote, [remote(again)])
        assert path.read_bytes() == CONTENT
        path.unlink()
        server.serve("far.bin", CONTENT[::-1], cut_after=[700_000, 0])


def test_a_complete_part_needs_no_download(request_remote: Request, server: Server) -> None:
    """As a process leaves it that is killed between the transfer and the renaming."""
    url = server.serve("far.bin", CONTENT, cut_after=[len(CONTENT) - 1, 0])
    with pytest.raises(DataError, match="broke off"):
        obtain(request_remote, [remote(url)])
    (request_remote.folder / ".far.bin.part").write_bytes(CONTENT)
    asked = len(server.requests)
    assert obtain(request_remote, [remote(url)]).read_bytes() == CONTENT
    assert len(server.requests) == asked


def test_a_spoilt_part_is_thrown_away(request_remote: Request, server: Server) -> None:
    url = server.serve("far.bin", CONTENT, cut_after=[700_000, 0])
    with pytest.raises(DataError, match="broke off"):
        obtain(request_remote, [remote(url)])
    with (request_remote.folder / ".far.bin.part").open("r+b") as part:
        part.write(b"spoilt")
    server.heal("far.bin")
    with pytest.raises(DataError, match="is not the official file"):
        obtain(request_remote, [remote(url)])
    assert obtain(request_remote, [remote(url)]).read_bytes() == CONTENT


@pytest.mark.parametrize("checksum", ["", MD5])
def test_a_file_whose_checksum_nobody_published_is_used_with_a_warning(
    request_remote: Request, server: Server, checksum: str
) -> None:
    file = remote(server.serve("far.bin", CONTENT[::-1]), checksum=checksum, exhaustive=False)
    with pytest.warns(UserWarning, match=r"published.*; only its format is checked"):
        obtain(request_remote, [file])


def test_a_file_that_cannot_be_read_is_one_clear_line(request_remote: Request, tmp_path: Path) -> None:
    request_remote.folder.mkdir(parents=True)
    path = request_remote.folder / "far.bin"
    path.symlink_to("/proc/self/mem")
    with pytest.raises(DataError, match=rf"^{path} cannot be read \("):
        obtain(request_remote, [remote()])


def test_a_checksum_is_not_compared_if_told_so(request_remote: Request, server: Server) -> None:
    careless = Request(request_remote.info, "official", request_remote.data_dir, verify=False)
    assert obtain(careless, [remote(server.serve("far.bin", b"other"))]).read_bytes() == b"other"


FAR = """
from disent_datasets.originals.download import RemoteFile, obtain

@dd.register_dataset("far", title="Far", factors=dd.FactorSpace(("a", "b"), (10, 25)), shape=(10, 100, 4),
                     licence="none", citation="nobody", sources=("official",), needs_files=("official",),
                     page="https://far.example")
def far(request):
    def origin():
        path = obtain(request, [RemoteFile("far.bin", ({url!r},), ({checksum!r},))])
        return Origin(lambda: [np.fromfile(path, np.uint8).reshape(-1, 10, 100, 4)], "converting")
    return stored_grid(request, origin, rebuild=False)

print(dd.load("far", data_dir=folder / "data").fingerprint)
"""


def test_two_processes_at_once_download_it_once(
    start_child: Callable[..., subprocess.Popen[str]], tmp_path: Path, server: Server
) -> None:
    gate = threading.Event()
    code = FAR.format(url=server.serve("far.bin", CONTENT, gate=gate), checksum=SHA256)
    first = start_child(code)
    while not server.requests:
        time.sleep(0.01)
    second = start_child(code)
    assert second.stderr
    assert "waiting for another process that makes far (official)" in second.stderr.readline()
    gate.set()
    fingerprints = {child.communicate(timeout=60)[0].strip() for child in (first, second)}
    assert fingerprints == {SHA256.removeprefix("sha256:")}
    assert len(server.requests) == 1
    assert {path.name for path in (tmp_path / "data" / "far").iterdir()} == {
        ".official.lock",
        "far.bin",
        "official.json",
        "official.npy",
    }


def test_a_killed_download_is_gone_on_with_by_the_next_process(
    start_child: Callable[..., subprocess.Popen[str]], tmp_path: Path, server: Server
) -> None:
    gate = threading.Event()
    code = FAR.format(url=server.serve("far.bin", CONTENT, gate=gate, open_for=500_000), checksum=SHA256)
    killed = start_child(code)
    part = tmp_path / "data" / "far" / ".far.bin.part"
    while not part.exists() or part.stat().st_size < 400_000:
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    have = part.stat().st_size
    gate.set()
    server.serve("far.bin", CONTENT)
    out, err = start_child(code).communicate(timeout=60)
    assert out.strip() == SHA256.removeprefix("sha256:"), err
    assert server.requests[-1].headers["Range"] == f"bytes={have}-"


def test_a_full_disk_is_noticed_before_and_during(
    request_remote: Request, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serve("far.bin", CONTENT)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(OSError, match="0 MB free, 1 MB to download") as caught:
            obtain(request_remote, [remote(url)])
        assert caught.value.errno == errno.ENOSPC
    with monkeypatch.context() as patch:

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            obtain(request_remote, [remote(url)])
    assert not (request_remote.folder / "far.bin").exists()
    assert obtain(request_remote, [remote(url)]).read_bytes() == CONTENT
