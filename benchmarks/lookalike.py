"""Rendering the look-alike data sets: images per second, time for a batch, and what a whole set costs.

    python benchmarks/lookalike.py [--images 1000] [--repeats 5]

No peer is known that renders these scenes without a GPU or a graphics library. The processor time of one image does
not change when other programs use the cores; the images per second do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import disent_datasets as dd
import numpy as np
from disent_datasets.lookalike import look_alikes
from disent_datasets.lookalike.renderer import LookAlike
from rich.console import Console
from rich.table import Table

BATCH = 64


def measure(look_alike: LookAlike, images: int, repeats: int) -> tuple[float, float]:
    """Median seconds, by the clock and of the processors, for rendering so many images."""
    wall, processor = [], []
    for seed in range(repeats):
        factors = look_alike.space.sample(images, np.random.default_rng(seed))
        started, used = time.perf_counter(), time.process_time()
        look_alike.render(factors)
        wall.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    return statistics.median(wall), statistics.median(processor)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    columns = ["images/s", "ms/image of one core", f"batch of {BATCH}, ms", "whole set, minutes", "stored, GB"]
    table = Table("look-alike", *columns, title=f"64 x 64 pixels, {cores} cores")
    for name, look_alike in look_alikes().items():
        look_alike.render([look_alike.example])
        wall, processor = measure(look_alike, given.images, given.repeats)
        batch, _ = measure(look_alike, BATCH, 10 * given.repeats)
        info = dd.info(name)
        table.add_row(
            name.removesuffix("_lookalike"),
            f"{given.images / wall:,.0f}",
            f"{processor / given.images * 1e3:.2f}",
            f"{batch * 1e3:.0f}",
            f"{info.space.size * wall / given.images / 60:.1f}",
            f"{info.space.size * np.prod(info.shape) / 1e9:.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
