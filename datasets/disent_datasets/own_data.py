"""Data of your own: arrays, or a folder of images with a table of factors, as a factor grid."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disent_datasets.errors import DataError
from disent_datasets.grid import FactorGrid, SparseImages
from disent_datasets.own_files import as_values, read_picture, read_rows
from disent_datasets.request import Request

SPARSE = 4
"""Combinations for each image from which on only the images that there are are held."""
LARGEST_SPACE = 500_000_000
"""Combinations of factors; which of them have an image takes a byte each."""


def grid_from_arrays(request: Request, images: NDArray[np.uint8], factors: ArrayLike) -> FactorGrid:
    """Make a grid of images in any order and their factors.

    Images in row-major order of their factors (the last one fastest) are used as they are, which may be a memory map;
    others are copied into that order. Combinations without an image are allowed, with a warning: training leaves them
    out, and what asks for their images gets an error.

    Args:
        request: what the data set's registered function was called with.
        images: uint8 (n, h, w, c), of the registered shape.
        factors: integers (n, k), values ``0 .. size - 1`` of the registered factors.

    Raises:
        DataError: if the arrays do not fit each other or what was registered, a combination occurs twice, or there are
            too many combinations.
    """
    info = request.info
    images = np.asanyarray(images)
    if images.dtype != np.uint8 or images.shape[1:] != info.shape:
        raise DataError(f"{info.name}: images must be uint8 (n, *{info.shape}), got {images.dtype} {images.shape}")
    try:
        indices = info.space.index(factors)
    except ValueError as error:
        raise DataError(f"{info.name}: {error}") from None
    if len(indices) != len(images) or not len(images):
        raise DataError(f"{info.name}: need as many rows of factors as images, got {len(indices)} and {len(images)}")
    if info.scale == 1 and images.max() > 1:
        raise DataError(f"{info.name}: scale=1 needs images of 0 and 1, got {images.max()}; register it with scale=255")
    if info.scale > 1 and images.max() <= 1:
        raise DataError(f"{info.name}: images hold 0 and 1 alone, and {info.scale} is white; register it with scale=1")
    found, counts = np.unique(indices, return_counts=True)
    if counts.max() > 1:
        rows = np.flatnonzero(indices == found[counts.argmax()]).tolist()
        raise DataError(f"{info.name}: images {rows[0]} and {rows[1]} have the same factors")
    if len(found) == info.space.size and (np.diff(indices) == 1).all():
        return FactorGrid(images, info.space, name=info.name, source=request.source, scale=info.scale)
    return _in_order(request, images, indices)


def _in_order(request: Request, images: NDArray[np.uint8], indices: NDArray[np.int64]) -> FactorGrid:
    info = request.info
    if info.space.size > LARGEST_SPACE:
        raise DataError(
            f"{info.name}: its factors have {info.space.size:,} combinations; up to {LARGEST_SPACE:,} are handled, so "
            "cut a factor into fewer values, or leave one out"
        )
    order = np.argsort(indices)
    ordered: NDArray[np.uint8] | SparseImages
    if info.space.size > SPARSE * len(indices):
        ordered = SparseImages(images[order], indices[order], info.space.size)
    else:
        ordered = np.zeros((info.space.size, *info.shape), np.uint8)
        ordered[indices] = images
    present = None
    if missing := info.space.size - len(indices):
        present = np.zeros(info.space.size, dtype=bool)
        present[indices] = True
        example = info.space.describe(int(np.flatnonzero(~present)[0]))
        warnings.warn(
            f"{info.name}: {missing:,} of {info.space.size:,} factor combinations have no image, such as {example}; "
            "training leaves them out, and scores cannot be computed where they are needed",
            stacklevel=4,
        )
    return FactorGrid(ordered, info.space, name=info.name, source=request.source, scale=info.scale, present=present)


def grid_from_folder(
    request: Request, folder: str | Path, *, table: str = "factors.csv", file_column: str = "file"
) -> FactorGrid:
    """Make a grid of a folder of images and a table that names each image's factors.

    The table is a CSV file whose first line names its columns: one has the image's path inside the folder, and one for
    each registered factor has its value: either indices ``0 .. size - 1``, or ``size`` distinct values that are put in
    order (numbers by value, other text alphabetically). Other columns are ignored.

    Args:
        request: what the data set's registered function was called with.
        folder: where table and images are.
        table: name of the table.
        file_column: the column that has the paths.

    Raises:
        DataError: if something is missing, cannot be read, or does not fit what was registered.
    """
    folder = Path(folder)
    rows = read_rows(folder / table, [file_column, *request.info.space.names])
    columns = zip(request.info.space.names, request.info.space.sizes, strict=True)
    factors = [_indices([row[name] for row in rows], name, size, folder / table) for name, size in columns]
    images = np.empty((len(rows), *request.info.shape), np.uint8)
    for image, row in zip(images, rows, strict=True):
        image[:] = _read(folder / row[file_column], request.info.shape)
    return grid_from_arrays(request, images, np.stack(factors, axis=1))


def _indices(texts: list[str], name: str, size: int, path: Path) -> NDArray[np.int64]:
    """Values of one factor as indices; see `grid_from_folder`."""
    values = as_values(texts)
    if values.dtype.kind == "f" and np.isin(values, np.arange(size)).all():
        return values.astype(np.int64)
    distinct, indices = np.unique(values, return_inverse=True)
    if len(distinct) != size:
        raise DataError(f"{path}: {name} must have {size} values or indices 0..{size - 1}, got {len(distinct)} values")
    return indices.astype(np.int64)


def _read(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    picture = read_picture(path)
    if picture.shape != shape or picture.dtype != np.uint8:
        height, width, channels = picture.shape
        kind = "RGB" if channels == 3 else "L" if picture.dtype == np.uint8 else "I;16"
        raise DataError(
            f"{path} is {height} x {width} pixels high and wide, kind {kind}; registered are images {shape}: convert "
            "it, or register the data set with the shape of the images"
        )
    return picture
