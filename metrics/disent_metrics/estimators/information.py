"""Histogram bins, mutual information and entropy between code dimensions and factors, in nats."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.binning import inner_edges
from disent_metrics.inputs import Codes, Factors, check_pair


def on_accelerator(values: Any) -> bool:
    """Whether ``values`` is a tensor on a device other than the host."""
    return getattr(getattr(values, "device", None), "type", "cpu") != "cpu"


def bin_codes(codes: Codes, num_bins: int) -> NDArray[np.int64]:
    """Equal-width bins 0 to ``num_bins - 1`` of every column between its own minimum and maximum.

    A value on an inner edge belongs to the upper bin; a constant column, rounding noise included, falls into one bin.
    Same edges as ``numpy.histogram``, as in disentanglement_lib.

    Raises:
        ValueError: ``num_bins`` is below 2.
    """
    binned = np.zeros(codes.shape, dtype=np.int64)
    for j, column in enumerate(codes.T):
        edges = inner_edges(column, num_bins)
        if edges is not None:
            binned[:, j] = np.searchsorted(edges, column, side="right") - 1
    return np.maximum(binned, 0)


def joint_table(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts of two non-negative integer columns ``(values of a, values of b)``."""
    rows, columns = a.max() + 1, b.max() + 1
    return np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns)


def _share_entropy(counts: NDArray[np.int64]) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def shared_information(counts: NDArray[np.int64]) -> float:
    """Plug-in mutual information of the rows and columns of a table of counts, in nats."""
    joint = counts / counts.sum()
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(max(0.0, (joint[seen] * np.log(joint[seen] / product[seen])).sum()))


def entropy(labels: NDArray[np.int64]) -> float:
    """Plug-in entropy of one integer column, in nats."""
    return _share_entropy(np.unique(labels, return_counts=True)[1])


def mutual_information(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Plug-in mutual information of two non-negative integer columns, in nats."""
    return shared_information(joint_table(a, b))


def ranks(columns: NDArray[Any]) -> Factors:
    """Each column's values replaced by 0, 1, ... in their order."""
    return np.stack([np.unique(column, return_inverse=True)[1] for column in columns.T], axis=1)


def code_information(
    codes: Any, factors: Any, num_bins: int, *, minimum: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mutual information ``(d, k)`` of binned codes and factors, and the factors' entropies ``(k,)``, in nats.

    The input is checked (``check_pair``). Tensors on an accelerator are counted there.

    Raises:
        ValueError: Bad input, fewer than ``minimum`` samples, or fewer than 2 bins.
    """
    tables = None
    if on_accelerator(codes):
        from disent_metrics.estimators.on_device import joint_counts

        tables = joint_counts(codes, factors, num_bins, minimum)
    if tables is None:
        checked, labels = check_pair(codes, factors, minimum=minimum)
        tables = [[joint_table(code, label) for label in ranks(labels).T] for code in bin_codes(checked, num_bins).T]
    information = np.array([[shared_information(table) for table in row] for row in tables])
    return information, np.array([_share_entropy(table.sum(axis=0)) for table in tables[0]])


def factor_entropies(factors: Factors) -> NDArray[np.float64]:
    """Entropy of every factor ``(k,)``, in nats."""
    return np.array([entropy(column) for column in factors.T])


def top_gap(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest minus second largest entry of every column; a table with one row is compared with 0."""
    ordered = np.sort(table, axis=0)
    return ordered[-1] - (ordered[-2] if len(table) > 1 else 0.0)
