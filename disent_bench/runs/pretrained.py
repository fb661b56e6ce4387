"""Networks as files that hold numbers alone, and the ones that are published."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pooch
import safetensors.torch
import torch
from lightning import LightningModule
from safetensors import SafetensorError, safe_open
from torch import Tensor

from disent_bench.config.method import parse_method
from disent_bench.config.run import RunConfig
from disent_bench.files import shipped, write_atomically
from disent_bench.leaderboard.published import digest, published_records
from disent_bench.leaderboard.records import Record
from disent_bench.module import DisentModule
from disent_bench.runs.callbacks.checkpoint import undisturbed
from disent_bench.runs.folder import RunKey
from disent_bench.runs.model import Shape, build_module
from disent_bench.text import natural

NETWORKS = ("encoder.", "decoder.", "bottleneck.")
"""What a model needs to encode and decode; opponents and states of terms are left out."""
ADDRESS = "DISENT_MODELS"
"""Variable of the environment that says where models lie that did not come with the package."""


def write_model(module: LightningModule, path: Path, image_shape: Shape, images: int, *, half: bool = False) -> None:
    """Write the networks of a module as safetensors, which hold no code.

    Args:
        module: the module.
        path: the file.
        image_shape: ``(channels, height, width)`` of its images.
        images: how many it was trained on, which its terms ask for when it is built.
        half: in half precision, at half the size: weights are rounded to about three digits.
    """
    tensors = {
        name: (value.half() if half and value.is_floating_point() else value).contiguous()
        for name, value in _networks(module).items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"image_shape": json.dumps(image_shape), "images": str(images)}
    write_atomically(path, safetensors.torch.save(tensors, told))


def read_model(path: Path, config: Mapping[str, Any]) -> LightningModule:
    """Return the module of a file of `write_model`, in evaluation mode, on the CPU.

    Args:
        path: the file.
        config: the resolved configuration of its run (``config`` of its result).

    Raises:
        ValueError: if the file is damaged, or does not hold the networks of the configuration.
        UnknownNameError: if the configuration names what is not registered.
    """
    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        channels, height, width = json.loads(told["image_shape"])
        images = int(told["images"])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path} holds no model: {error}") from None
    try:
        resolved = RunConfig.from_dict(config)
        module: LightningModule = undisturbed(build_module)(resolved, (channels, height, width), images)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no model can be built from the configuration of {path}: {error!r}") from None
    own = _networks(module)
    shapes = [{name: tuple(value.shape) for name, value in found.items()} for found in (tensors, own)]
    if shapes[0] != shapes[1]:
        differing = sorted(name for name, _ in shapes[0].items() ^ shapes[1].items())
        raise ValueError(f"{path} holds other networks than its configuration has: {', '.join(differing[:3])}")
    module.load_state_dict(tensors, strict=False)
    return module.eval()


def load_pretrained(
    method: str, dataset: str, seed: int | None = None, *, protocol: str = "quick", suite: str | None = None
) -> LightningModule:
    """Return a published model, in evaluation mode, on the CPU.

    Its file comes with a checkout; elsewhere it is downloaded once, from the address in ``DISENT_MODELS``, into the
    user's cache, and held against the SHA-256 in its result.

    Args:
        method: name of a method, or a sum.
        dataset: name of the data set that it was trained on.
        seed: of its run; the lowest of which a model is published if None.
        protocol: that it was trained under.
        suite: of the published results; the newest that has it if None. Of several settings the one with the fewest
            changes is taken.

    Returns:
        A module with ``encode(images (b, c, h, w) in [0, 1]) -> codes (b, d)`` and, if it has a decoder,
        ``decode(codes) -> images``.

    Raises:
        ValueError: if no such model is published; the message names those that are.
        OSError: if its file is not here and cannot be downloaded.
    """
    method = "+".join(parse_method(method))
    there = [record for record in published_records(suite=suite) if "model" in record.files]
    wanted = [r for r in there if (r.method, r.dataset, r.protocol) == (method, dataset, protocol)]
    found = [record for record in wanted if seed in (None, record.seed)]
    if not found:
        alike = wanted or [record for record in there if record.dataset == dataset] or there
        known = sorted({f"{r.method} on {r.dataset} under {r.protocol}, seed {r.seed}" for r in alike}, key=natural)
        of_seed = "" if seed is None else f", seed {seed}"
        raise ValueError(
            f"no model of {method} on {dataset} under {protocol}{of_seed}, is published; there are: "
            f"{'; '.join(known) or 'none'}"
        )
    newest = (each for each in found if each.suite == found[-1].suite)
    record = min(newest, key=lambda each: (len(each.changes), each.seed))
    return read_model(model_file(record), record.config)


def model_file(record: Record) -> Path:
    """Return the file of a published model, from the checkout or downloaded.

    Raises:
        OSError: if it is not here and cannot be downloaded, or is another file than the result names.
    """
    name = model_place(record.suite, key_of(record))
    wanted = record.files["model"]["sha256"]
    path = shipped("experiments", "models") / name
    if path.exists():
        if digest(path) != wanted:
            raise OSError(f"{path} is another file than its result names; restore it")
        return path
    address = os.environ.get(ADDRESS)
    if not address:
        raise OSError(f"{name} did not come with the package; set {ADDRESS} to the address of a folder of models")
    folder = Path(pooch.os_cache("disent-bench")) / "models"
    try:
        return Path(
            pooch.retrieve(
                f"{address.rstrip('/')}/{name.as_posix()}",
                known_hash=f"sha256:{wanted}",
                path=folder / name.parent,
                fname=name.name,
            )
        )
    except (ValueError, OSError) as error:  # another hash, or no answer
        raise OSError(f"{name} cannot be had from {address}: {error}") from None


def model_place(suite: str, key: RunKey) -> Path:
    """Return where the model of a published run lies, below the folder of models."""
    folder = key.folder(Path(suite))
    return folder.with_name(f"{folder.name}.safetensors")


def key_of(record: Record) -> RunKey:
    """Return what tells a run from others."""
    return RunKey(record.protocol, record.dataset, record.method, record.key, record.seed)


def _networks(module: LightningModule) -> dict[str, Tensor]:
    states = {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
    if not isinstance(module, DisentModule):
        return states
    return {name: value for name, value in states.items() if name.startswith(NETWORKS)}
