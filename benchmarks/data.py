"""Drawing dSprites, and batches per second beside a plain torch DataLoader that fetches image by image.

python benchmarks/data.py
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import disent_datasets as dd
import numpy as np
import torch
from disent_datasets.datamodule import DisentDataModule
from report import Report, Spread, arguments, seconds_each
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


def images_per_second(batches: Iterable[object], steps: int) -> Spread:
    stream = iter(batches)
    next(stream)

    def take() -> None:
        for _ in itertools.islice(stream, steps):
            pass

    return Spread.of([steps * BATCH / seconds for seconds in seconds_each(take, REPEATS)])


def once(work: Callable[[], object]) -> float:
    return seconds_each(work, 1)[0]


def draw_everything() -> None:
    for _ in dd.dsprites.draw_all(dd.dsprites.SPACE.factors(np.arange(dd.dsprites.SPACE.size))):
        pass


def peer(images: np.ndarray, workers: int) -> DataLoader[torch.Tensor]:
    data = OneByOne(images)
    sampler = RandomSampler(data, replacement=True, num_samples=10**7)
    return DataLoader(data, batch_size=BATCH, sampler=sampler, num_workers=workers)


def main() -> None:
    given = arguments(__doc__).parse_args()
    report = Report(__file__, given, "torch", "numpy", "numba")
    report.table("drawing", "all 737,280 dSprites", "seconds")
    report.row("drawing", "draw, first call (numba compiles, or reads its cache)", once(draw_everything))
    report.row("drawing", "draw again", once(draw_everything))
    some = 20 if given.smallest else 200
    with tempfile.TemporaryDirectory() as folder:
        report.row("drawing", "draw, hash, store, read back", once(lambda: dd.prepare("dsprites", data_dir=folder)))
        report.row("drawing", "load, SHA-256 compared", once(lambda: dd.load("dsprites", data_dir=folder)))
        plain = dd.load("dsprites", data_dir=folder).images(np.arange(PLAIN))
        report.table("batches", f"batches of {BATCH}, 64x64x1, uint8", "images/s", "times the plain loader")
        peers = {
            "plain DataLoader": images_per_second(peer(plain, workers=0), some),
            "plain DataLoader, 2 workers": images_per_second(peer(plain, workers=2), some),
        }
        own = {
            "DisentDataModule, host": images_per_second(ours(Path(folder), False), 10 * some),
            "DisentDataModule, host, second batch": images_per_second(ours(Path(folder), True), 10 * some),
        }
    for name, rate in {**peers, **own}.items():
        report.row("batches", name, rate, rate.median / peers["plain DataLoader"].median)
    report.close()


def ours(folder: Path, second: bool) -> Iterable[object]:
    module = DisentDataModule("dsprites", data_dir=folder, batch_size=BATCH, second=second, residence="host")
    module.setup()
    return module.train_dataloader()


if __name__ == "__main__":
    main()
