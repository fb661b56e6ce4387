"""Drawing dSprites, and batches per second beside a plain torch DataLoader that fetches image by image.

python benchmarks/data.py
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import disent_datasets as dd
import numpy as np
import torch
from disent_datasets.datamodule import DisentDataModule
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset, RandomSampler

BATCH = 64
REPEATS = 5
PLAIN = 2**16
"""Images that the peer holds unpacked in memory (268 MB); the whole set would be 3 GB."""


class OneByOne(Dataset[torch.Tensor]):
    """What most code does: an array of images, one item at a time, stacked by the DataLoader."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.images[index]).permute(2, 0, 1)


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def images_per_second(batches: Iterable[object], steps: int) -> float:
    stream = iter(batches)
    next(stream)

    def take() -> None:
        for _ in itertools.islice(stream, steps):
            pass

    return steps * BATCH / statistics.median(seconds(take) for _ in range(REPEATS))


def draw_everything() -> None:
    for _ in dd.dsprites.draw_all(dd.dsprites.SPACE.factors(np.arange(dd.dsprites.SPACE.size))):
        pass


def peer(images: np.ndarray, workers: int) -> DataLoader[torch.Tensor]:
    data = OneByOne(images)
    sampler = RandomSampler(data, replacement=True, num_samples=10**7)
    return DataLoader(data, batch_size=BATCH, sampler=sampler, num_workers=workers)


def main() -> None:
    drawing = Table("drawing 737,280 images", "seconds")
    drawing.add_row("first call (numba compiles, or reads its cache)", f"{seconds(draw_everything):.1f}")
    drawing.add_row("again", f"{seconds(draw_everything):.1f}")
    speed = Table("batches of 64, uint8 64 x 64 x 1", "images/s", "times the plain loader")
    with tempfile.TemporaryDirectory() as folder:
        made = seconds(lambda: dd.prepare("dsprites", data_dir=folder))
        drawing.add_row("drawn, hashed, stored and read back", f"{made:.1f}")
        loaded = seconds(lambda: dd.load("dsprites", data_dir=folder))
        drawing.add_row("loaded again, SHA-256 compared", f"{loaded:.1f}")
        plain = dd.load("dsprites", data_dir=folder).images(np.arange(PLAIN))
        rates = {
            "plain DataLoader": images_per_second(peer(plain, workers=0), 200),
            "plain DataLoader, 2 workers": images_per_second(peer(plain, workers=2), 200),
            "DisentDataModule, host": images_per_second(ours(Path(folder), False), 2000),
            "DisentDataModule, host, second batch": images_per_second(ours(Path(folder), True), 2000),
        }
    for name, rate in rates.items():
        speed.add_row(name, f"{rate:,.0f}", f"{rate / rates['plain DataLoader']:.1f}")
    console = Console()
    console.print(drawing)
    console.print(speed)


def ours(folder: Path, second: bool) -> Iterable[object]:
    module = DisentDataModule("dsprites", data_dir=folder, batch_size=BATCH, second=second, residence="host")
    module.setup()
    return module.train_dataloader()


if __name__ == "__main__":
    main()
