"""The documentation says what the registries say, its code runs, and its pages are found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

DOORS = ("codes", "model", "method", "data")
MOST_LINES = 5


@pytest.fixture(scope="module")
def generate(module_at: Callable[[str], ModuleType]) -> ModuleType:
    """`docs/generate.py`."""
    return module_at("docs/generate.py")


def test_the_page_of_methods_says_what_the_registry_says(root: Path, generate: ModuleType) -> None:
    assert (root / "docs" / "methods.md").read_text() == generate.methods_page(), "python docs/generate.py writes it"


def test_everything_registered_has_a_page_with_its_source(generate: ModuleType) -> None:
    pages = generate.pages()
    ours = {
        "methods": [entry.name for entry in generate.ours(generate.METHODS)],
        "networks": [entry.name for entry in generate.ours(generate.NETWORKS)],
        "scores": [score.name for score in generate.our_scores()],
        "data": generate.shipped_sets(),
    }
    assert {"topdis", "gmg", "factor_vae"} <= set(ours["methods"])
    assert {"mig", "dci"} <= set(ours["scores"])
    assert {"dsprites", "mpi3d_real"} <= set(ours["data"])
    for folder, names in ours.items():
        assert all(f"{folder}/{name}.md" in pages for name in names)
    for path, text in pages.items():
        assert text.startswith("# "), path
        assert ":math:" not in text, path
        assert "``" not in text.replace("```", ""), path


def test_all_that_is_cited_stands_in_the_bibliography(root: Path, generate: ModuleType) -> None:
    cited = set()
    for package in ("disent_bench", "datasets", "metrics"):
        for path in (root / package).rglob("*.py"):
            cited |= {match[1] or match[0] for match in generate.CITED.finditer(path.read_text())}
    assert cited <= set(generate.BIBLIOGRAPHY), sorted(cited - set(generate.BIBLIOGRAPHY))
    for key, entry in generate.BIBLIOGRAPHY.items():
        assert {"authors", "title", "venue", "year"} <= set(entry), key
        assert generate.address(key).startswith("https://")


def blocks(text: str, mark: str) -> list[tuple[str, str]]:
    """Language and code of the blocks that carry a mark."""
    return re.findall(rf"^```(\w+) {mark}\n(.*?)^```", text, re.M | re.S)


@pytest.mark.xdist_group("wheel")  # it is built, and its kernels compiled, once
@pytest.mark.parametrize("door", DOORS)
def test_a_door_is_walked_in_five_lines_from_the_wheel(
    door: str, root: Path, wheel: Path, tmp_path: Path, data_dir: Path
) -> None:
    text = (root / "docs" / "doors" / f"{door}.md").read_text()
    factors = np.stack(np.unravel_index(np.arange(240), (4, 6, 10)), axis=1)
    np.save(tmp_path / "codes.npy", factors + 0.25)
    np.save(tmp_path / "factors.npy", factors)
    images = np.random.default_rng(0).integers(0, 256, (240, 64, 64), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, factors=factors)
    for name, code in re.findall(r"^```python file=(\S+)\n(.*?)^```", text, re.M | re.S):
        (tmp_path / name).write_text(code)
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "disent-bench").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m disent_bench "$@"\n')
    (commands / "disent-bench").chmod(0o755)
    place = str(data_dir) if door in ("method", "model") else str(tmp_path / "data")
    environment = {
        **os.environ,
        "PYTHONPATH": str(wheel),
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "DISENT_DATA": place,
    }
    found = blocks(text, "door")
    assert found
    for language, code in found:
        lines = [line for line in code.splitlines() if line.strip()]
        assert len(lines) <= MOST_LINES
        if language == "python":
            given = "import torch\nencoder = lambda images: images.flatten(1)[:, ::64]\n" if door == "model" else ""
            words = [sys.executable, "-c", given + code]
        else:
            words = ["bash", "-e", "-c", code]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "mig" in done.stdout.lower()


@pytest.mark.filterwarnings("ignore")
def test_the_page_of_plain_lightning_runs(
    root: Path, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((_, code),) = blocks((root / "docs" / "lightning.md").read_text(), "run")
    monkeypatch.setenv("DISENT_DATA", str(data_dir))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "best").glob("*.ckpt"))


def test_commands_and_names_in_the_pages_exist(root: Path, generate: ModuleType) -> None:
    """Every verb, and every setting by its name, that a page types is there."""
    pages = [path.read_text() for path in (root / "docs").rglob("*.md")]
    verbs = set(generate.verb_names())
    methods = {name for kind, name in generate.registered() if kind == "method"}
    for text in pages:
        assert {verb for verb in re.findall(r"^ *disent-bench (\w+)", text, re.M)} <= verbs
        for name, setting in re.findall(r"methods\.(\w+)\.(\w+)", text):
            if name in methods:
                assert setting in generate.hyperparameters(name)[0], f"methods.{name}.{setting}"


class Links(HTMLParser):
    """Links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what an anchor refers to."""
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


@pytest.mark.slow
def test_the_site_builds_and_every_page_is_three_clicks_away(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    site = (tmp_path / "site").resolve()
    pages = {path for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 100
    reached, edge = {site / "index.html"}, {site / "index.html"}
    for _ in range(3):
        new = set()
        for page in edge:
            links = Links()
            links.feed(page.read_text(encoding="utf-8"))
            targets = [link.partition("#")[0] for link in links.found if "://" not in link]
            new |= {(page.parent / target / "index.html").resolve() for target in targets if target}
        edge = (new & pages) - reached
        reached |= edge
    assert reached == pages, sorted(str(path.relative_to(site)) for path in pages - reached)[:5]
    assert not list(site.glob("**/generate.py"))
