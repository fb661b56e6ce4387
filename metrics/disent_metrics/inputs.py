"""The one place where codes and factors are checked: every score sees arrays that passed here."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.floating]
Factors = NDArray[np.int64]


NOT_CLASSES = (
    "{name} has type {type}; integer class indices are needed, one class for each value that a factor takes: cut "
    "continuous values into bins first, about 20: np.digitize(column, np.histogram_bin_edges(column, 20)[1:-1])"
)


CLASS_PER_ROW = (
    "{name} has {classes:,} classes in {rows:,} rows of column {column}, which is no class any more: cut continuous "
    "values into bins first, about 20: np.digitize(column, np.histogram_bin_edges(column, 20)[1:-1])"
)
ROWS_THAT_TELL = 100
"""Rows from which on a class for every second one is no factor."""


class TooFewSamplesError(ValueError):
    """The score does not exist on these samples and may on more: too few, one class only, a part of the grid."""


class Split(NamedTuple):
    """Checked training and test data of one evaluation."""

    codes: Codes
    factors: Factors
    test_codes: Codes
    test_factors: Factors


def to_numpy(values: Any, name: str) -> NDArray[Any]:
    """Two-dimensional array of an array-like or a tensor on any device."""
    array = as_array(values, name)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"{name} has shape {array.shape}; two dimensions (samples, columns), neither empty, are needed"
        )
    return array


def as_array(values: Any, name: str) -> NDArray[Any]:
    """Array of an array-like or a tensor on any device, with any number of dimensions."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{name} is a masked array with {np.ma.count_masked(values)} masked values; drop their rows")
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.float() if str(values.dtype) in ("torch.bfloat16", "torch.float16") else values).numpy()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from None


def as_batch(values: Any, name: str) -> NDArray[np.float64]:
    """Images, codes or traversals ``(n, ...)`` as a finite float64 array of at least two dimensions."""
    array = as_array(values, name)
    if array.ndim < 2 or 0 in array.shape or array.dtype.kind not in "fiub":
        raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}; real numbers (n, ...) are needed")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity; finite numbers are needed")
    return array.astype(np.float64)


def as_codes(values: Any, name: str = "codes") -> Codes:
    """Codes ``(n, d)`` as a finite floating-point array; float32 and float64 stay what they are."""
    array = to_numpy(values, name)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} has type {array.dtype}; real numbers are needed")
    array = array.astype(np.float64 if array.dtype.kind != "f" else max(array.dtype, np.dtype(np.float32)))
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise ValueError(f"{name} holds NaN or infinity in {bad.sum()} of {len(bad)} rows; finite codes are needed")
    return array


def as_factors(values: Any, name: str = "factors") -> Factors:
    """Factor indices ``(n, k)`` as int64; every column is one factor."""
    array = to_numpy(values, name)
    if array.dtype.kind not in "iub":
        raise ValueError(NOT_CLASSES.format(name=name, type=array.dtype))
    return array.astype(np.int64)


def check_groups(groups: Sequence[int], columns: int) -> tuple[int, ...]:
    """Checked number of columns of each group of code dimensions.

    Raises:
        ValueError: They are no whole numbers from 1 on, or their sum is not ``columns``.
    """
    sizes = tuple(groups) if isinstance(groups, Sequence | np.ndarray) else ()
    if not sizes or not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
        raise ValueError(f"groups are whole numbers from 1 on, the columns of each group, not {groups!r}")
    if sum(sizes) != columns:
        raise ValueError(f"groups of {', '.join(map(str, sizes))} columns are {sum(sizes)}, the codes have {columns}")
    return tuple(int(size) for size in sizes)


def _check_count(rows: int, minimum: int, name: str) -> None:
    if rows < minimum:
        raise TooFewSamplesError(
            f"{name} has {rows} samples; this score needs at least {minimum}, below that its value is an artefact "
            "of the sample size (the reference uses 10,000)"
        )


def check_codes(codes: Any, *, minimum: int) -> Codes:
    """Checked codes with at least ``minimum`` rows.

    Raises:
        ValueError: Names the argument, what is wrong with it, and what would work.
    """
    checked = as_codes(codes)
    _check_count(len(checked), minimum, "codes")
    return checked


def check_pair(
    codes: Any,
    factors: Any,
    *,
    minimum: int,
    names: tuple[str, str] = ("codes", "factors"),
    vary: bool = True,
) -> tuple[Codes, Factors]:
    """Checked ``(codes, factors)`` of equal length, at least ``minimum`` rows, every factor with two values
    or more, and from `ROWS_THAT_TELL` rows on none with a value for every second row.

    Raises:
        ValueError: Names the argument, what is wrong with it, and what would work.
    """
    checked, labels = as_codes(codes, names[0]), as_factors(factors, names[1])
    if len(checked) != len(labels):
        raise ValueError(
            f"{names[0]} has {len(checked)} rows and {names[1]} has {len(labels)}; one row per sample is needed in both"
        )
    _check_count(len(checked), minimum, names[0])
    if vary and len(labels) >= ROWS_THAT_TELL:
        for column, classes in enumerate(len(np.unique(values)) for values in labels.T):
            if 2 * classes > len(labels):
                raise ValueError(CLASS_PER_ROW.format(name=names[1], classes=classes, rows=len(labels), column=column))
    constant = [j for j in range(labels.shape[1]) if vary and (labels[:, j] == labels[0, j]).all()]
    if constant:
        raise TooFewSamplesError(
            f"{names[1]} has one class only in column {constant[0]}; drop factors that do not vary, or sample more"
        )
    return checked, labels


def check_split(codes: Any, factors: Any, test_codes: Any, test_factors: Any, *, minimum: int) -> Split:
    """Checked training and test data; the test factors need not show every class.

    Raises:
        ValueError: As ``check_pair``, and when training and test data differ in their number of columns.
    """
    train = check_pair(codes, factors, minimum=minimum)
    test = check_pair(test_codes, test_factors, minimum=1, names=("test_codes", "test_factors"), vary=False)
    for kind, (a, b) in zip(("codes", "factors"), zip(train, test, strict=True), strict=True):
        if a.shape[1] != b.shape[1]:
            raise ValueError(
                f"test_{kind} has {b.shape[1]} columns and {kind} has {a.shape[1]}; equal numbers are needed"
            )
    return Split(*train, *test)
