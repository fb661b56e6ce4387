"""The floor of a table: scores of networks before training, computed once for all runs that start from the same one."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from disent_datasets import FactorGrid
from disent_metrics.suite import SuiteResult
from lightning import LightningModule
from torch import nn

from disent_bench.config.run import RunConfig
from disent_bench.files import write_atomically
from disent_bench.module import DisentModule
from disent_bench.runs.folder import FLOORS, RunFolder, RunKey
from disent_bench.text import strict

Scores = dict[str, float]
WORDS = ("network", "latent_dim", "image_size", "bottleneck", "precision")


class Floor:
    """Scores of untrained networks, kept in ``.untrained`` of the folder of runs.

    They are found by content: the weights that encode and decode, all that these are read with, the data, the way of
    scoring, and the versions of torch and device. Methods that differ in their terms alone so share them.

    Args:
        config: of the run.
        key: likewise.
        grid: the data set.
        folder: of the run; one that lies elsewhere than `RunKey.folder` says keeps no scores.
    """

    def __init__(self, config: RunConfig, key: RunKey, grid: FactorGrid, folder: RunFolder) -> None:
        self.config, self.grid = config, grid
        parts = key.folder(Path()).parts
        inside = folder.path.parts[-len(parts) :] == parts
        self._folder = folder.path.parents[len(parts) - 1] / FLOORS if inside else None

    def scores(self, module: LightningModule, compute: Callable[[], SuiteResult]) -> tuple[Scores, bool]:
        """Return the scores of an untrained network, and whether they were kept; if not, ``compute`` gives them.

        Others who need the same ones wait for them. Where they cannot be kept, or one could not be computed, which may
        not be so the next time, they are computed each time.
        """
        if self._folder is None:
            return dict(compute().scores), False
        path = self._folder / f"{self._content(module)}.json"
        with self._held(path):
            if (found := _read(path)) is not None:
                return found, True
            result = compute()
            if not result.errors:
                with suppress(OSError):  # a full disk: what the run itself cannot write it says by itself
                    write_atomically(path, json.dumps(strict(dict(result.scores)), allow_nan=False) + "\n")
            return dict(result.scores), False

    def _content(self, module: LightningModule) -> str:
        """Hash of everything that the scores depend on."""
        plain = self.config.to_dict()
        if isinstance(module, DisentModule):
            parts: list[nn.Module | None] = [module.encoder, module.bottleneck, module.decoder]
            words: dict[str, Any] = {name: plain.get(name) for name in WORDS}
        else:
            parts, words = [module], {"method": self.config.method, "methods": plain["methods"]}
        versions = {n: v for n, v in self.config.versions.items() if n.startswith(("network", "bottleneck", "code"))}
        digest = hashlib.sha256()
        about = [words, versions, self.grid.fingerprint, self.config.scoring.key, torch.__version__, module.device.type]
        digest.update(json.dumps([*about, [part is None for part in parts]], sort_keys=True, default=str).encode())
        for part in parts:
            for name, value in (part.state_dict() if part is not None else {}).items():
                digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
                digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:32]

    @contextmanager
    def _held(self, path: Path) -> Iterator[None]:
        """Hold the place of some scores, where the file system allows it."""
        try:
            path.parent.mkdir(exist_ok=True)
            handle: Any = path.with_suffix(".lock").open("w")
        except OSError:
            handle = nullcontext()
        with handle as lock:
            if lock is not None:
                with suppress(OSError):  # a file system without locks: the scores are computed twice at worst
                    fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _read(path: Path) -> Scores | None:
    """The scores in a file; None if there is none, or it cannot be used."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or not all(v is None or isinstance(v, int | float) for v in content.values()):
        return None
    return {name: math.nan if value is None else float(value) for name, value in content.items()}
