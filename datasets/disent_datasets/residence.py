"""Where the images live while a model trains: memory-mapped on the host, or whole on the device."""

from __future__ import annotations

import math
import threading
import warnings
from typing import Literal, Protocol
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from disent_datasets.grid import FactorGrid, PackedImages, SparseImages
from disent_datasets.progress import track

Residence = Literal["auto", "host", "device"]

COPIED_AT_ONCE = 2**26
"""Bytes that are copied to a device at once."""


class Gather(Protocol):
    """Fetches a batch in one call."""

    def __call__(self, indices: NDArray[np.int64], generator: np.random.Generator | None = None) -> Tensor:
        """Images uint8 (b, c, h, w), in channels-last memory format; ``generator`` draws their nuisance, if any."""
        ...


class HostGather:
    """Gathers from the grid's own array, usually the memory map."""

    def __init__(self, grid: FactorGrid) -> None:
        self.grid = grid

    def __call__(self, indices: NDArray[np.int64], generator: np.random.Generator | None = None) -> Tensor:
        """Images uint8 (b, c, h, w) on the CPU, in channels-last memory format."""
        return torch.from_numpy(self.grid.images(indices, generator)).permute(0, 3, 1, 2)


class DeviceGather:
    """Holds the whole set on a device, packed if it is packed in the grid, and gathers there."""

    def __init__(self, grid: FactorGrid, device: torch.device) -> None:
        self.shape = grid.shape
        self.packed = isinstance(grid.stored, PackedImages)
        self.stored = _copy(grid, device)
        self.bit = torch.arange(8, dtype=torch.uint8, device=device)

    def __call__(self, indices: NDArray[np.int64], generator: np.random.Generator | None = None) -> Tensor:
        """Images uint8 (b, c, h, w) on the device, in channels-last memory format."""
        chosen = torch.from_numpy(indices).to(self.stored.device, non_blocking=True)
        images = self.stored[chosen]
        if self.packed:
            images = (images.unsqueeze(-1) >> self.bit) & 1
        return images.reshape(-1, *self.shape).permute(0, 3, 1, 2)


def place(grid: FactorGrid, residence: Residence, device: torch.device) -> Gather:
    """Choose where a grid's images live.

    Args:
        grid: the images.
        residence: ``"host"``, ``"device"``, or ``"auto"``: on a CUDA device if the set fits in half of the
            memory that is free there, else on the host. Few images of a large factor space stay on the host. Images
            with a nuisance are made there; so are images that are rendered on demand, with a warning, unless
            ``"device"`` asks for all of them at once.
        device: the model's device.

    Raises:
        ValueError: if the residence is none of these, or the device is asked for images that are on the host, or has no
            room for them.
    """
    if residence not in ("auto", "host", "device"):
        raise ValueError(f"residence: must be auto, host or device, got {residence!r}")
    if isinstance(grid.stored, SparseImages):
        if residence == "device":
            raise ValueError(
                f"residence: {grid.name} is few images of many combinations, on the host; use auto or host"
            )
        return HostGather(grid)
    if grid.nuisance:
        if residence == "device":
            raise ValueError(f"residence: the nuisance of {grid.name} is drawn on the host; use auto or host")
        return HostGather(grid)
    if residence == "auto" and device.type == "cuda" and grid.on_demand:
        warnings.warn(
            f"{grid.name} ({grid.source}): each batch is rendered on the host while {device} waits; a stored set is "
            "faster, and so is residence='device', which renders all images first",
            stacklevel=2,
        )
        return HostGather(grid)
    if residence == "host" or (residence == "auto" and device.type != "cuda"):
        return HostGather(grid)
    with _placing:
        key = (grid.fingerprint, device)
        if key in _placed:
            return _placed[key]
        if residence == "auto" and not _fits(grid, device):
            return HostGather(grid)
        gather = _placed[key] = DeviceGather(grid, device)
        return gather


_placed: WeakValueDictionary[tuple[str, torch.device], DeviceGather] = WeakValueDictionary()
"""Images that lie on a device already, which all share who train on them there."""
_placing = threading.Lock()


def _fits(grid: FactorGrid, device: torch.device) -> bool:
    return _raw(grid).nbytes <= torch.cuda.mem_get_info(device)[0] // 2


def _raw(grid: FactorGrid) -> NDArray[np.uint8]:
    assert not isinstance(grid.stored, SparseImages)  # which `place` keeps on the host
    return grid.stored.bits if isinstance(grid.stored, PackedImages) else grid.stored


def _copy(grid: FactorGrid, device: torch.device) -> Tensor:
    """Copy block by block, so that the host never holds a second whole copy."""
    array, done = _raw(grid), 0
    whole = _room(array.shape, device, grid.name)
    rows = max(1, COPIED_AT_ONCE // (array.nbytes // len(array)))
    # np.array: torch warns about read-only memory, and a memory map is.
    blocks = (np.array(array[start : start + rows]) for start in range(0, len(array), rows))
    action = "rendering" if grid.on_demand else "copying"
    for block in track(blocks, len(array), f"{action} {grid.name} to the memory of {device}"):
        whole[done : done + len(block)] = torch.from_numpy(block)
        done += len(block)
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # whoever shares the images reads them on a stream of their own
    return whole


def _room(shape: tuple[int, ...], device: torch.device, name: str) -> Tensor:
    try:
        return torch.empty(shape, dtype=torch.uint8, device=device)
    except RuntimeError:  # of which torch's errors about memory are kinds
        needed = f"{math.prod(shape) / 1e6:,.0f} MB"
        raise ValueError(f"residence: {device} has no room for the {needed} of {name}; use auto or host") from None
