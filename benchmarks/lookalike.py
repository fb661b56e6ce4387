"""Rendering the look-alike data sets: images per second, time for a batch, and what a whole set costs.

    python benchmarks/lookalike.py [--images 1000] [--repeats 5]

No peer is known that renders these scenes without a GPU or a graphics library. The processor time of one image does
not change when other programs use the cores; the images per second do.
"""

from __future__ import annotations

import time

import disent_datasets as dd
import numpy as np
from disent_datasets.lookalike import look_alikes
from disent_datasets.lookalike.renderer import LookAlike
from report import Report, Spread, arguments

BATCH = 64


def measure(look_alike: LookAlike, images: int, repeats: int) -> tuple[Spread, Spread]:
    """Seconds, by the clock and of the processors, for rendering so many images."""
    wall, processor = [], []
    for seed in range(repeats):
        factors = look_alike.space.sample(images, np.random.default_rng(seed))
        started, used = time.perf_counter(), time.process_time()
        look_alike.render(factors)
        wall.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    return Spread.of(wall), Spread.of(processor)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    images, repeats = (16, 1) if given.smallest else (given.images, given.repeats)
    report = Report(__file__, given, "numpy", "numba")
    columns = ["images/s", "ms an image, of one core", f"a batch of {BATCH}, ms", "whole set, minutes", "stored, GB"]
    report.table("rendering", "look-alike, 64x64", *columns)
    for name, look_alike in look_alikes().items():
        look_alike.render([look_alike.example])
        wall, processor = measure(look_alike, images, repeats)
        batch, _ = measure(look_alike, BATCH, repeats)
        size = dd.info(name).space.size
        report.row(
            "rendering",
            name.removesuffix("_lookalike"),
            Spread(images / wall.median, images / wall.high, images / wall.low, wall.count),
            processor.times(1e3 / images),
            batch.times(1e3),
            size * wall.median / images / 60,
            float(size * np.prod(dd.info(name).shape) / 1e9),
        )
    report.close()


if __name__ == "__main__":
    main()
