"""Runs made ready for others to read, and the recomputation of what such runs claim."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from disent_datasets import FactorGrid
from disent_metrics.suite import SuiteResult
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from disent_bench.config.run import RunConfig
from disent_bench.files import write_atomically
from disent_bench.leaderboard.published import VERIFIED, Suite, checked, digest, with_files
from disent_bench.leaderboard.versions import CODE
from disent_bench.runs.callbacks.checkpoint import undisturbed
from disent_bench.runs.callbacks.evaluate import score_encoding, score_module
from disent_bench.runs.folder import RunFolder, RunKey
from disent_bench.runs.model import load_grid, load_run, shape_of
from disent_bench.runs.pretrained import model_place, read_model, write_model
from disent_bench.runs.provenance import processor_name
from disent_bench.runs.result import Failure
from disent_bench.text import strict

Evidence = Literal["model", "codes"]
TOLERANCE: Mapping[str, float] = {"model": 0.01, "codes": 1e-4}
"""How far a recomputed score may be from the one that was given: another processor rounds codes otherwise, and models
may be in half precision; codes are what they are."""


@dataclass(frozen=True)
class Verdict:
    """What came of recomputing a result.

    Attributes:
        path: the result file.
        evidence: what it was recomputed from; None if nothing is published beside its numbers.
        found: recomputed scores.
        differing: scores that are not what the result says, each with what it says and what was found.
        unproven: scores that the evidence says nothing of.
    """

    path: Path
    evidence: Evidence | None
    found: Mapping[str, float]
    differing: Mapping[str, tuple[float, float]]
    unproven: tuple[str, ...]


def evidence_kind(config: Mapping[str, Any]) -> Evidence:
    """Return what proves a result: its model, or codes where building the model would run somebody's own code."""
    return "codes" if any(name.startswith(CODE) for name in config.get("versions", {})) else "model"


def submit(
    run: RunFolder, root: Path, suite: str, *, evidence: bool = True, half: bool = False, data_dir: Path | None = None
) -> Path:
    """Copy the result of a run, with what proves it, into a folder of published results.

    ``root/results/<suite>/<protocol>/<dataset>/<method>/<key>/seed-<n>/result.json`` names the files of the evidence,
    which lie below ``root/models/<suite>/`` likewise: the model as safetensors, or for methods of a plug-in the codes
    of all images that its scores look at.

    Args:
        run: finished.
        root: where ``results`` and ``models`` are or will be.
        suite: name of the suite.
        evidence: whether anything beside the numbers is copied.
        half: models in half precision.
        data_dir: data folder, as for `disent_datasets.load`.

    Returns:
        The result file.

    Raises:
        ValueError: if the result is not valid, or of other versions than those at which the suite is frozen.
        OSError: if its checkpoint cannot be read, or something cannot be written.
    """
    document = checked(run.result)
    frozen = Suite.read(root / "results" / suite).with_result(document)
    config = RunConfig.from_dict(document["config"])
    key = _key(document)
    files: list[tuple[str, Path]] = []
    if evidence:
        kind = evidence_kind(document["config"])
        path = root / "models" / _place(suite, key, kind)
        grid = load_grid(config, data_dir)
        if kind == "model":
            write_model(load_run(run.path), path, shape_of(grid), len(grid), half=half)
        else:
            _write_codes(run, config, grid, path)
        files.append((kind, path))
    frozen.write()
    result = RunFolder(key.folder(frozen.folder)).result
    result.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(result, with_files(document, files))
    result.with_name(VERIFIED).unlink(missing_ok=True)
    return result


def submit_failure(run: RunFolder, root: Path, suite: str) -> Path:
    """Copy why a run failed into a folder of published results, for a failed seed counts too.

    Returns:
        The file.

    Raises:
        ValueError: if it cannot be read.
        OSError: if it cannot be written.
    """
    failure = replace(Failure.read(run.failure), traceback="")
    key = RunKey(failure.protocol, failure.dataset, failure.method, failure.key, failure.seed)
    path = RunFolder(key.folder(root / "results" / suite)).failure
    path.parent.mkdir(parents=True, exist_ok=True)
    failure.write(path)
    return path


def verify(path: Path, *, data_dir: Path | None = None) -> Verdict:
    """Recompute the scores of a published result on the CPU, from its model or from its codes.

    No code of whoever submitted it is run.

    Args:
        path: ``result.json`` below ``results/<suite>/``.
        data_dir: data folder, as for `disent_datasets.load`.

    Raises:
        ValueError: if the result, its lock or its evidence is not what it should be; the message says why.
        DataError: if the data set is missing or damaged.
    """
    document = checked(path)
    folder = path.absolute().parents[5]
    suite = Suite.read(folder)
    if suite.with_result(document).versions != suite.versions:
        raise ValueError(f"suite {suite.name} has no lock that covers {path}; submit the result with this program")
    files = document.get("files", {})
    try:
        config = RunConfig.from_dict(document["config"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no configuration of a run: {error!r}") from None
    key = _key(document)
    for name, told in files.items():
        evidence = _evidence_file(folder, key, name)
        if not evidence.exists():
            raise ValueError(f"{path} names {evidence}, which is not there")
        if digest(evidence) != told["sha256"]:
            raise ValueError(f"{evidence} is another file than {path} names")
    if not files:
        return Verdict(path, None, {}, {}, tuple(document["scores"]))
    if config.scoring.key != document["scoring"]["key"]:
        program = f"disent-bench {document['environment']['disent_bench']}"
        raise ValueError(f"{path} was scored by other versions than this program has; verify it with {program}")
    grid = load_grid(config, data_dir)
    if config.key(grid.fingerprint) != document["key"]:
        raise ValueError(f"{path} does not follow from the configuration that it holds, on the images that are here")
    kind: Evidence = "model" if "model" in files else "codes"
    evidence = _evidence_file(folder, key, kind)
    if kind == "model":
        module = read_model(evidence, document["config"])
        found: SuiteResult = undisturbed(score_module)(module, grid, config.scores)
    else:
        found = score_encoding(_lookup(evidence), grid, config.scores)
    return _verdict(path, kind, document["scores"], found.scores)


def write_verified(verdict: Verdict) -> Path:
    """Write beside a result that its scores were recomputed, by what program and on what processor.

    Raises:
        ValueError: if they were not, or differ.
    """
    if verdict.evidence is None or verdict.differing:
        raise ValueError(f"{verdict.path} was not verified")
    content = {
        "result": digest(verdict.path),
        "evidence": verdict.evidence,
        "scores": dict(verdict.found),
        "unproven": verdict.unproven,
        "disent_bench": version("disent-bench"),
        "torch": torch.__version__,
        "processor": processor_name(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    path = verdict.path.with_name(VERIFIED)
    write_atomically(path, json.dumps(strict(content), indent=2, allow_nan=False) + "\n")
    return path


def _verdict(path: Path, kind: Evidence, given: Mapping[str, float | None], found: Mapping[str, float]) -> Verdict:
    differing, unproven = {}, []
    for name, told in given.items():
        value = math.nan if told is None else told
        if name not in found:
            unproven.append(name)
        elif not (abs(found[name] - value) <= TOLERANCE[kind] or (math.isnan(found[name]) and math.isnan(value))):
            differing[name] = (value, found[name])
    return Verdict(path, kind, {name: found[name] for name in given if name in found}, differing, tuple(unproven))


def _key(document: Mapping[str, Any]) -> RunKey:
    return RunKey(*(document[name] for name in ("protocol", "dataset", "method", "key", "seed")))


def _place(suite: str, key: RunKey, kind: Evidence) -> Path:
    place = model_place(suite, key)
    return place if kind == "model" else place.with_suffix(f".codes{place.suffix}")


def _evidence_file(suite: Path, key: RunKey, kind: Evidence) -> Path:
    return suite.parent.with_name("models") / _place(suite.name, key, kind)


def _write_codes(run: RunFolder, config: RunConfig, grid: FactorGrid, path: Path) -> None:
    """Write the codes of all images that the scores look at, and their numbers."""
    indices: list[NDArray[np.int64]] = []
    codes: list[Tensor] = []

    def keep(numbers: NDArray[np.int64], found: Tensor) -> None:
        indices.append(numbers)
        codes.append(found)

    undisturbed(score_module)(load_run(run.path), grid, config.scores, on_codes=keep)
    unique, first = np.unique(np.concatenate(indices), return_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"indices": torch.from_numpy(unique.astype(np.int32)), "codes": torch.cat(codes)[torch.from_numpy(first)]}
    write_atomically(path, safetensors.torch.save(tensors))


def _lookup(path: Path) -> Callable[[NDArray[np.int64]], Tensor]:
    """From numbers of images to the codes in a file.

    Raises:
        ValueError: if the file holds none, or lacks one that is asked for.
    """
    try:
        tensors = safetensors.torch.load_file(path)
        indices, codes = tensors["indices"].numpy(), tensors["codes"]
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{path} holds no codes: {error}") from None
    if codes.ndim != 2 or indices.shape != (len(codes),) or not len(codes):
        raise ValueError(f"{path} holds codes of shape {tuple(codes.shape)} for {len(indices)} images")

    def encode(wanted: NDArray[np.int64]) -> Tensor:
        places = np.minimum(np.searchsorted(indices, wanted), len(indices) - 1)
        if (indices[places] != wanted).any():
            raise ValueError(f"{path} lacks the codes of some images that are scored")
        return codes[torch.from_numpy(places)]

    return encode
