"""Pictures of models, runs and studies: each function takes matplotlib axes, or makes them, and returns them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib
import numpy as np
import torch
from disent_datasets import FactorGrid
from disent_metrics.functional.dci import dci_importance
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from disent_bench.leaderboard.published import published_records
from disent_bench.leaderboard.records import Record, read_records, reported
from disent_bench.leaderboard.rows import aggregate
from disent_bench.leaderboard.tables import HEADINGS, Table, tables
from disent_bench.runs.folder import RunFolder

IMPORTANCE_CODES = 2000
TRAVERSAL_CODES = 512
WIDEST_WITH_NUMBERS = 20
COLUMNS = 9
REACH = 2.0
LABEL_WIDTH, TITLE_WIDTH = 50, 80
IDLE = 0.1
"""Deviation of a latent's codes below which it is called idle: it holds less than about .005 nats."""
ENCODED_AT_ONCE = 32


def traversals(module: Any, images: Tensor | FactorGrid, *, ax: Axes | None = None) -> Axes:
    """Draw what each latent does to an image.

    Each row moves one latent over the mean +- 2 standard deviations of its codes while the others keep the image's
    code. Rows are sorted by that standard deviation: a latent that the model does not use has codes near 0 everywhere
    and a row that does not change, and is called idle below a deviation of `IDLE`.

    Args:
        module: offers ``encode(images) -> codes (n, d)`` and ``decode(codes) -> images``, both in [0, 1].
        images: float images ``(n, c, h, w)`` in [0, 1], of which the first is traversed and all give the range of the
            codes; or a data set, of which some are drawn.
        ax: where to draw; axes of a new figure if None.
    """
    chosen = _images(images, None, module)
    codes = _encoded(module, chosen)
    centre, spread = codes.mean(dim=0), codes.std(dim=0)
    order = spread.argsort(descending=True).tolist()
    values = centre + spread * torch.linspace(-REACH, REACH, COLUMNS, device=codes.device)[:, None]
    rows = []
    for latent in order:
        moved = codes[:1].repeat(COLUMNS, 1)
        moved[:, latent] = values[:, latent]
        rows.append(_decoded(module, moved))
    first = [chosen[0].cpu().numpy(), _decoded(module, codes[:1])[0]]
    channels, height, width = chosen.shape[1:]
    gap = max(2, width // 32)
    tall, wide, left = height + gap, width + gap, width + 4 * gap
    canvas = np.ones((len(order) * tall, left + COLUMNS * wide - gap, channels))
    for row, pictures in enumerate(rows):
        if row < len(first):  # the image and its decoding in the first column
            canvas[row * tall : row * tall + height, :width] = np.moveaxis(first[row], 0, -1)
        for column, picture in enumerate(pictures):
            start = left + column * wide
            canvas[row * tall : row * tall + height, start : start + width] = np.moveaxis(picture, 0, -1)
    axes = _axes(ax)
    _mosaic(axes, canvas)
    deviations = [(latent, float(spread[latent])) for latent in order]
    labels = [f"z{latent}, std {value:.2f}{', idle' if value < IDLE else ''}" for latent, value in deviations]
    axes.set_yticks([row * tall + height / 2 for row in range(len(order))], labels, fontsize=8)
    steps = [f"{value:+.1f} std" for value in np.linspace(-REACH, REACH, COLUMNS)]
    centres = [left + column * wide + width / 2 for column in range(COLUMNS)]
    axes.set_xticks([width / 2, *centres], ["image,\ndecoded", *steps], fontsize=8)
    axes.xaxis.tick_top()
    if ax is None:
        fit(axes)
    return axes


def reconstructions(module: Any, images: Tensor | FactorGrid, *, ax: Axes | None = None) -> Axes:
    """Draw some images above what a model makes of them, with the mean squared error of each.

    Args:
        module: as for `traversals`.
        images: as for `traversals`; as many as there are columns are shown.
        ax: as for `traversals`.
    """
    chosen = _images(images, None, module)
    shown = chosen[:: max(1, len(chosen) // COLUMNS)][:COLUMNS]
    originals, decoded = shown.cpu().numpy(), _decoded(module, _encoded(module, shown))
    errors = np.square(decoded - originals).mean(axis=(1, 2, 3))
    rows = [np.concatenate([*np.moveaxis(each, 1, -1)], axis=1) for each in (originals, decoded)]
    height, width = shown.shape[-2:]
    axes = _axes(ax)
    _mosaic(axes, np.concatenate(rows))
    axes.set_yticks([height / 2, 3 * height / 2], ["images", "decoded"], fontsize=8)
    centres = [(column + 0.5) * width for column in range(len(shown))]
    axes.set_xticks(centres, [f"MSE {error:.3f}" for error in errors], fontsize=8)
    if ax is None:
        fit(axes)
    return axes


def importance(module: Any, grid: FactorGrid, *, ax: Axes | None = None) -> Axes:
    """Draw DCI's matrix of a model as a heat map: how much of what trees know of a factor they have from a latent.

    Latents stand in the order of the factors that they serve most, those that serve none last.

    Args:
        module: offers ``encode(images) -> codes (n, d)``.
        grid: the data set.
        ax: as for `traversals`.
    """
    indices = _drawn(grid, IMPORTANCE_CODES)
    parts = np.array_split(indices, IMPORTANCE_CODES // ENCODED_AT_ONCE)
    codes = torch.cat([_encoded(module, _images(grid, part, module)) for part in parts]).float().cpu().numpy()
    factors = grid.factors(indices)
    varying = np.ptp(factors, axis=0) > 0
    names = [name for name, varies in zip(grid.space.names, varying, strict=True) if varies]
    axes = heat_map(dci_importance(codes, factors[:, varying]), names, ax=ax)
    axes.set_title(f"importance of latents for factors (DCI's trees, {IMPORTANCE_CODES:,} images)", fontsize=8)
    return axes


def heat_map(matrix: NDArray[np.float64], names: Sequence[str], *, ax: Axes | None = None) -> Axes:
    """Draw an importance matrix ``(d, k)``, such as `disent_metrics.functional.dci.dci_importance` returns.

    Args:
        matrix: importances of each latent for each factor.
        names: of the factors ``(k,)``.
        ax: as for `traversals`.
    """
    most = matrix.max(axis=1)
    order = np.lexsort((-most, np.where(most > 0, matrix.argmax(axis=1), len(names))))
    shown = matrix[order].T
    axes = _axes(ax)
    heat = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xticks(range(len(order)), [f"z{latent}" for latent in order], fontsize=8)
    for (row, column), value in np.ndenumerate(shown):
        if value >= 0.005 and len(order) <= WIDEST_WITH_NUMBERS:
            colour = "white" if value > 0.6 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    axes.figure.colorbar(heat, ax=axes, fraction=0.05, pad=0.02).ax.tick_params(labelsize=7)
    if ax is None:
        fit(axes, cells=True)
    return axes


def scores(
    runs: str | Path | Sequence[Record] | None,
    score: str = "mig",
    *,
    protocol: str | None = None,
    dataset: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a score of every run: a dot for each seed, a line at the mean, a row for each line of the table.

    An empty dot is the untrained score, with which a failed run counts.

    Args:
        runs: a folder of runs, or what was read of one; the published results if None.
        score: one of the scores.
        protocol: only runs under this one.
        dataset: only runs on this one.
        ax: as for `traversals`.

    Raises:
        ValueError: if no run has the score, or the runs do not stand in one table, for only these compare.
    """
    table, _ = _compared(runs, score, protocol, dataset)
    axes, labels = _axes(ax), []
    for row, line in enumerate(table.lines):
        found = line.row.scores[score]
        for fill, failed in (("full", False), ("none", True)):
            values = [v for seed, v in zip(found.seeds, found.values, strict=True) if (seed in found.crashed) == failed]
            if values:
                axes.plot(values, [row] * len(values), "o", color="tab:blue", alpha=0.6, markersize=5, fillstyle=fill)
        axes.plot([found.mean] * 2, [row - 0.3, row + 0.3], color="black")
        axes.text(1.01, row, f"n {found.n}", transform=axes.get_yaxis_transform(), va="center", fontsize=7)
        labels.append(_wrapped(line.label, LABEL_WIDTH))
    for label, reference in table.untrained.items():
        if score in reference:
            axes.axvline(reference[score], color="grey", linestyle=":", label=label)
            axes.legend(fontsize=7, frameon=False)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(HEADINGS.get(score, score), fontsize=8)
    axes.set_title(_wrapped(table.title, TITLE_WIDTH), fontsize=8)
    if ax is None:
        lines = sum(label.count("\n") + 2 for label in labels)
        axes.figure.set_size_inches(7, 1.2 + 0.14 * lines)  # type: ignore[union-attr]
    return axes


def progress(
    runs: str | Path | Sequence[Record] | None,
    score: str = "mig",
    *,
    protocol: str | None = None,
    dataset: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a score of every finished run against its steps: thin for each seed, thick for their mean.

    The mean is drawn where all seeds were scored. Arguments and errors are those of `scores`.
    """
    table, records = _compared(runs, score, protocol, dataset)
    axes = _axes(ax)
    colors = matplotlib.colormaps["turbo"](np.linspace(0.05, 0.95, len(table.lines)))
    for color, line in zip(colors, table.lines, strict=True):
        seeds = [_logged(record.folder, f"scores/{score}") for record in records if record.key == line.row.key]
        for points in seeds:
            axes.plot(*zip(*sorted(points.items()), strict=True), color=color, alpha=0.35, linewidth=0.8)
        common = sorted(set.intersection(*(set(points) for points in seeds)))
        means = [fmean(points[step] for points in seeds) for step in common]
        axes.plot(common, means, color=color, marker=".", label=_wrapped(line.label, LABEL_WIDTH))
    axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel(HEADINGS.get(score, score), fontsize=8)
    axes.set_title(_wrapped(table.title, TITLE_WIDTH), fontsize=8)
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    if ax is None:
        lines = sum(_wrapped(line.label, LABEL_WIDTH).count("\n") + 1 for line in table.lines)
        axes.figure.set_size_inches(9, max(4, 1 + 0.14 * lines))  # type: ignore[union-attr]
    return axes


def _compared(
    runs: str | Path | Sequence[Record] | None, score: str, protocol: str | None, dataset: str | None
) -> tuple[Table, list[Record]]:
    """The table of the lines that have a score, and the finished runs that have it."""
    wanted = {"protocol": protocol, "dataset": dataset}
    if runs is None or isinstance(runs, str | Path):
        runs = reported(published_records() if runs is None else read_records(Path(runs)))
    records = [
        record
        for record in runs
        if all(value is None or getattr(record, name) == value for name, value in wanted.items())
    ]
    found = tables(row for row in aggregate(records) if score in row.scores)
    if not found:
        raise ValueError(f"no run has a score {score!r}; disent-bench list scores has all names")
    if len(found) > 1:
        raise ValueError(f"these do not compare, choose a protocol or data set: {'; '.join(t.title for t in found)}")
    return found[0], [each for each in records if math.isfinite(each.scores.get(score, math.nan))]


def _logged(folder: Path, name: str) -> dict[int, float]:
    """Finite values by step that a run has logged; at least one."""
    found = RunFolder(folder).curves()
    if name not in found:
        raise ValueError(f"{folder} has logged no {name!r}; it has {', '.join(sorted(found)) or 'no metrics.jsonl'}")
    return found[name]


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width))


def curves(folders: str | Path | Iterable[str | Path], name: str = "loss", *, ax: Axes | None = None) -> Axes:
    """Draw what runs logged against steps: a loss, a term, a weight, or a score as ``scores/mig``.

    Args:
        folders: folders of runs.
        name: what was logged, as `metrics.jsonl` calls it.
        ax: as for `traversals`.

    Raises:
        ValueError: if a run has not logged it; the message lists what it has.
    """
    axes = _axes(ax)
    for folder in [folders] if isinstance(folders, str | Path) else folders:
        points = _logged(Path(folder), name)
        axes.plot(*zip(*points.items(), strict=True), label=" ".join(Path(folder).resolve().parts[-3:]))
    axes.set_xlabel("step", fontsize=8)
    axes.set_ylabel(name, fontsize=8)
    axes.legend(fontsize=7, frameon=False)
    return axes


def fit(axes: Axes, *, cells: bool = False) -> None:
    """Make a figure of one picture as large as its pixels take, or its ``cells`` with a number each."""
    rows, columns = axes.images[0].get_array().shape[:2]  # type: ignore[union-attr]
    width, height = (0.5 * columns + 2.5, 0.4 * rows + 1.1) if cells else (columns / 75 + 0.9, rows / 75 + 0.5)
    axes.figure.set_size_inches(width, height)  # type: ignore[union-attr]


def _drawn(grid: FactorGrid, count: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).choice(grid.available, size=count)


def _images(images: Tensor | FactorGrid, indices: NDArray[np.int64] | None, module: Any) -> Tensor:
    """Float images on a module's device: those given, or some of a data set."""
    device = getattr(module, "device", torch.device("cpu"))
    if not isinstance(images, FactorGrid):
        return images.to(device)
    chosen = _drawn(images, TRAVERSAL_CODES) if indices is None else indices
    return torch.from_numpy(images.images(chosen)).permute(0, 3, 1, 2).to(device).float() / images.scale


@torch.no_grad()
def _encoded(module: Any, images: Tensor) -> Tensor:
    with _evaluating(module):
        return torch.cat([module.encode(part) for part in images.split(ENCODED_AT_ONCE)])


@torch.no_grad()
def _decoded(module: Any, codes: Tensor) -> NDArray[np.float32]:
    with _evaluating(module):
        found: NDArray[np.float32] = module.decode(codes).float().cpu().numpy()
    return found


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """A module in evaluation mode for a while; anything without modes is left alone."""
    modes = isinstance(module, torch.nn.Module)
    training = modes and module.training
    if modes:
        module.eval()
    try:
        yield
    finally:
        if modes:
            module.train(training)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # imported where it is needed: it chooses a window system

    return plt.subplots(layout="constrained")[1]


def _mosaic(axes: Axes, pixels: NDArray[Any]) -> None:
    axes.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_frame_on(False)
    axes.tick_params(length=0)
