import os
from pathlib import Path

import pytest

from disent_bench.files import write_atomically


@pytest.mark.parametrize("content", ["Ä ± 1\r\n2\n", b"\x00\xff", memoryview(b"abc")])
def test_content_arrives_byte_for_byte_and_alone(tmp_path: Path, content: str | bytes | memoryview) -> None:
    path = tmp_path / "result.json"
    write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else bytes(content))
    assert list(tmp_path.iterdir()) == [path]


def test_replaces_the_old_file_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    seen = []

    def replace(source: Path, target: Path) -> None:
        seen.append((Path(source).read_text(), Path(source).parent, path.read_text()))
        rename(source, target)

    rename = os.replace
    monkeypatch.setattr(os, "replace", replace)
    write_atomically(path, "new")
    assert seen == [("new", tmp_path, "old")]
    assert path.read_text() == "new"


def test_reaches_the_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append(f"sync {os.fstat(handle).st_size}"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda source, target: (order.append("name"), rename(source, target)))
    write_atomically(tmp_path / "a", "1234")
    assert order == ["sync 4", "name"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_keeps_the_old_file_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "a", "text")


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode
