"""Representation Topology Divergence: cross-barcodes of two matched point clouds, and a loss from them.

Sources: Barannikov et al., "Representation Topology Divergence", ICML 2022 (barcode and score); Balabin et
al., "Disentanglement Learning via Topology", ICML 2024, and its code (loss).
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from disent_bench.functional.cone_barcode import cone_pairs
from disent_bench.functional.distances import euclidean_distances, scale_by_quantile
from disent_bench.host import is_recorded, on_host
from disent_bench.parts import side_by_side

Form = Literal["min", "max"]
Routing = Literal["exact", "official"]

_SYMMETRY_TOLERANCE = 1e-3
_NEGLIGIBLE = 1e-6
_THREADS_PAY_FROM = 96


class BarPairs(NamedTuple):
    """Which matrix entries the bars of a cross-barcode are read from; one row per bar, longest bar first.

    A bar is born at entry ``births[k]`` of the smaller of the two matrices of the form (``min(a, b)`` for
    "min", ``b`` for "max"). It dies at entry ``deaths[k]`` of the same matrix, or, where
    ``deaths_in_large[k]``, of the larger one (``a`` for "min", ``max(a, b)`` for "max").
    """

    births: NDArray[np.int64]
    deaths: NDArray[np.int64]
    deaths_in_large: NDArray[np.bool_]


class _Weighted(NamedTuple):
    """Edge weights of a graph, their order, and where each is found in the flattened pair ``(a, b)``."""

    weights: NDArray
    order: NDArray
    entries: NDArray


@lru_cache(maxsize=16)
def _edges(n: int) -> tuple[NDArray, NDArray]:
    return np.triu_indices(n, 1)


def _check_distances(name: str, matrix: NDArray) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
        raise ValueError(f"{name} must be a square distance matrix, shape (n, n) with n >= 1, not {matrix.shape}")
    largest = matrix.max()
    if not (np.isfinite(largest) and np.isfinite(matrix.min())):
        raise ValueError(f"{name} must be finite, but has entries that are NaN or infinite")
    if matrix.min() < 0:
        raise ValueError(f"{name} must hold distances, but its smallest entry is {matrix.min():g}")
    if np.abs(matrix - matrix.T).max() > _SYMMETRY_TOLERANCE * largest:
        raise ValueError(f"{name} must be symmetric; (m + m.T) / 2 makes it so")


def _check_pair(a: NDArray, b: NDArray) -> None:
    _check_distances("a", a)
    _check_distances("b", b)
    if a.shape != b.shape:
        raise ValueError(f"b must have the shape of a, {a.shape}, as points are matched; it has {b.shape}")


def _graphs(a: NDArray, b: NDArray) -> dict[str, _Weighted]:
    """The graphs a, b, min(a, b) and max(a, b), sorted once each."""
    n = len(a)
    rows, columns = _edges(n)
    flat = rows * n + columns
    edge_a, edge_b = a[rows, columns].astype(np.float64), b[rows, columns].astype(np.float64)
    in_a, in_b = flat, flat + n * n
    a_is_less = edge_a <= edge_b
    chosen = {
        "a": (edge_a, in_a),
        "b": (edge_b, in_b),
        "min": (np.minimum(edge_a, edge_b), np.where(a_is_less, in_a, in_b)),
        "max": (np.maximum(edge_a, edge_b), np.where(a_is_less, in_b, in_a)),
    }
    return {name: _Weighted(weights, np.argsort(weights), where) for name, (weights, where) in chosen.items()}


def _small_and_large(form: Form, first: str, second: str) -> tuple[str, str]:
    """Names of the smaller and the larger graph of a form, for the ordered pair ``(first, second)``."""
    if form == "min":
        return "min", first
    if form == "max":
        return second, "max"
    raise ValueError(f"unknown form {form!r}; known: 'min', 'max'")


def _pair_bars(small: _Weighted, large: _Weighted, n: int, *, cone_last: bool) -> tuple[NDArray, NDArray]:
    """Pairs of :func:`cone_pairs`, longest bar first, and the bars ``(birth, death)``."""
    pairs = cone_pairs(n, small.weights, large.weights, small.order.copy(), large.order.copy(), cone_last)
    births = small.weights[pairs[:, 0]]
    deaths = np.where(pairs[:, 2] == 1, large.weights[pairs[:, 1]], small.weights[pairs[:, 1]])
    longest_first = np.argsort(births - deaths, kind="stable")
    return pairs[longest_first], np.stack((births, deaths), axis=1)[longest_first]


def _as_array(values: Any) -> NDArray:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values if values.dtype == torch.float64 else values.float()).numpy()
    array: NDArray = np.asarray(values, dtype=np.float64)
    return array


def cross_barcode_pairs(a: ArrayLike | Tensor, b: ArrayLike | Tensor, *, form: Form = "min") -> BarPairs:
    """Matrix entries that the bars of :func:`cross_barcode` are read from, longest bar first.

    Args and errors are those of :func:`cross_barcode`.
    """
    a, b = _as_array(a), _as_array(b)
    _check_pair(a, b)
    graphs = _graphs(a, b)
    small, large = _small_and_large(form, "a", "b")
    pairs, _ = _pair_bars(graphs[small], graphs[large], len(a), cone_last=False)
    vertices = np.stack(_edges(len(a)), axis=1)
    return BarPairs(vertices[pairs[:, 0]], vertices[pairs[:, 1]], pairs[:, 2] == 1)


def cross_barcode(a: ArrayLike | Tensor, b: ArrayLike | Tensor, *, form: Form = "min") -> NDArray[np.float64]:
    """R-Cross-Barcode in degree 1 of two graphs on the same vertices (Barannikov et al. 2022, section 2).

    The finite bars of positive length in H1 of the Vietoris-Rips filtration of the doubled graph
    ``[[0, a], [a, min(a, b)]]`` for form "min", or ``[[0, max(a, b)], [max(a, b), b]]`` for form "max".
    Exact; computed on the cone of the inclusion of the two complexes, which has the same barcode (see
    :mod:`.cone_barcode`).

    Args:
        a: distance matrix, shape ``(n, n)``; its diagonal is taken as zero and its upper triangle is read.
        b: distance matrix of the matched points, same shape and unit.
        form: "min" or "max".

    Returns:
        Bars ``(birth, death)`` in the unit of the matrices, shape ``(m, 2)``, sorted by birth, then death.

    Raises:
        ValueError: a matrix is not square, finite, non-negative and symmetric (to 1e-3 of its largest entry,
            what float32 distances allow), the two shapes differ, or the form is unknown.
    """
    a, b = _as_array(a), _as_array(b)
    _check_pair(a, b)
    graphs = _graphs(a, b)
    small, large = _small_and_large(form, "a", "b")
    _, bars = _pair_bars(graphs[small], graphs[large], len(a), cone_last=False)
    return bars[np.lexsort((bars[:, 1], bars[:, 0]))]


def _bar_entries(
    a: NDArray, b: NDArray, forms: Sequence[Form], routing: Routing, max_bars: int | None
) -> tuple[NDArray, NDArray]:
    """Flat indices into the pair ``(a, b)`` of births and deaths, over both directions and all forms."""
    n = len(a)
    graphs = _graphs(a, b)
    official = routing == "official"

    def entries(job: tuple[str, str]) -> tuple[NDArray, NDArray]:
        small, large = graphs[job[0]], graphs[job[1]]
        pairs, _ = _pair_bars(small, large, n, cone_last=official)
        birth, death, in_large = pairs[:max_bars].T
        read_from = graphs["b"] if official and job[0] == "min" else small
        return small.entries[birth], np.where(in_large == 1, large.entries[death], read_from.entries[death])

    jobs = [_small_and_large(form, *pair) for form in forms for pair in (("a", "b"), ("b", "a"))]
    results = side_by_side(entries, jobs) if n >= _THREADS_PAY_FROM else [entries(job) for job in jobs]
    births, deaths = zip(*results, strict=True)
    return np.concatenate(births), np.concatenate(deaths)


def _read_entries(
    both: NDArray,
    among: NDArray,
    *,
    forms: Sequence[Form],
    routing: Routing,
    max_bars: int | None,
    slots: int | None,
    watch: Callable[[int, float], None],
) -> tuple[NDArray]:
    """Deaths, then births, as flat indices into ``both``, ``(2, n, n)``; with a number of slots, filled up with 0."""
    start = time.perf_counter()
    n, (chosen,) = len(among), among.nonzero()
    found = np.empty((2, 0), dtype=np.int64)
    if len(chosen) > 0:
        a, b = both if len(chosen) == n else both[:, chosen[:, None], chosen]
        _check_pair(a, b)
        births, deaths = _bar_entries(a, b, forms, routing, max_bars)
        found = np.stack((deaths, births))
        if len(chosen) < n:
            matrix, row, column = np.unravel_index(found, (2, len(chosen), len(chosen)))
            found = np.ravel_multi_index((matrix, chosen[row], chosen[column]), (2, n, n))
    if slots is not None:
        found = np.pad(found, ((0, 0), (0, slots - found.shape[1])))
    watch(len(chosen), time.perf_counter() - start)
    return (found.astype(np.int64),)


def rtd_loss(
    a: Tensor,
    b: Tensor,
    *,
    power: float = 1,
    max_bars: int | None = None,
    forms: Sequence[Form] = ("min", "max"),
    routing: Routing = "exact",
    among: Tensor | None = None,
    watch: Callable[[int, float], None] = lambda points, seconds: None,
) -> Tensor:
    """Topological divergence of two matched clouds, differentiable (TopDis, Balabin et al. 2024, algorithm 2).

    ``1/2 * sum over (A, B) in {(a, b), (b, a)} and forms of sum over bars |death - birth|^power``, over the
    bars of :func:`cross_barcode`. Symmetric in ``a`` and ``b``, zero for equal matrices.

    Args:
        a: distance matrix, shape ``(n, n)``; float32 or float64 (half precision is computed in float32).
            Gradients go to the entries of its upper triangle that bars are read from.
        b: distance matrix of the matched points; same shape, type and device.
        power: exponent of the bar lengths, 1 or 2 in the paper.
        max_bars: how many of the longest bars of each barcode count (50 in the authors' code); ``None`` for all.
        forms: graphs to sum over. The paper speaks of one barcode only; the authors' code adds both forms.
        routing: "exact": the gradient is that of the value, wherever the value has one: births and deaths are
            read from the graph itself, ``min`` and ``max`` pass the gradient to the entry they chose.
            "official": value and gradient of the authors' code, which reads deaths of its min graphs from a
            substitute ("immovable") matrix: ``b`` in place of ``min(a, b)``. Its value is then not the sum of
            the bar lengths, it is not symmetric, and it pulls more at ``b``, the shifted cloud. (Its
            substitutes for the births of the max graphs change nothing, because those births always lie in
            the block that the substitution keeps.) Which of several simplices of one filtration is read matters
            there; cone triangles come last, as in Ripser's order (inferred: the engine itself was not run).
        among: which points count, a mask of shape ``(n,)`` on the device of ``a``; None for all.
        watch: told the number of points, and the seconds that the host took for the barcodes, once they are there.

    Returns:
        Scalar, in the unit of the distances to the ``power``.

    Raises:
        ValueError: as for :func:`cross_barcode`; also for types or devices that differ, a ``power`` that is
            not positive, or ``max_bars`` below 1.
    """
    if not (isinstance(a, Tensor) and a.is_floating_point()):
        raise ValueError("a must be a floating-point tensor")
    if not isinstance(b, Tensor) or b.dtype != a.dtype or b.device != a.device:
        raise ValueError(f"b must be a tensor of the type and device of a, {a.dtype} on {a.device}")
    if b.shape != a.shape:
        raise ValueError(f"b must have the shape of a, {tuple(a.shape)}; it has {tuple(b.shape)}")
    if not power > 0:
        raise ValueError(f"power must be positive, not {power}")
    if max_bars is not None and max_bars < 1:
        raise ValueError(f"max_bars must be at least 1, or None for all bars, not {max_bars}")
    if routing not in ("exact", "official"):
        raise ValueError(f"unknown routing {routing!r}; known: 'exact', 'official'")
    both = torch.stack((a, b))
    both = both.float() if a.dtype in (torch.float16, torch.bfloat16) else both
    n = len(a)
    slots = 2 * len(forms) * min(max_bars or n * n, n * (n - 1) // 2) if is_recorded() else None
    work = partial(_read_entries, forms=forms, routing=routing, max_bars=max_bars, slots=slots, watch=watch)
    among = torch.ones(n, dtype=torch.bool, device=a.device) if among is None else among
    (read,) = on_host(work, (both, among), [torch.empty((2, slots or 0), dtype=torch.int64)])
    death, birth = both.flatten().index_select(0, read.flatten()).view(read.shape)
    lengths = death - birth
    if power != 1:
        bars = read[0] != read[1]  # what fills the slots has a length of 0, the power of which may have no slope
        lengths = torch.where(bars, torch.where(bars, lengths, 1) ** power, 0)
    return 0.5 * lengths.sum()


def rtd_score(
    x: ArrayLike | Tensor,
    y: ArrayLike | Tensor,
    *,
    subset_size: int = 500,
    num_subsets: int = 10,
    quantile: float = 0.9,
    seed: int = 0,
) -> float:
    """RTD between two representations of the same points, as reported (Barannikov et al. 2022, authors' code).

    Sum of bar lengths of the min form, averaged over the two directions and over random subsets; each cloud's
    Euclidean distances are divided by their own quantile first. Lower is more alike; 0 for equal clouds.

    Args:
        x: points, shape ``(n, d)``.
        y: the same points in another representation, shape ``(n, e)``.
        subset_size: points in a subset; with at most this many points there is one subset, all of them.
        num_subsets: how many subsets are averaged.
        quantile: which quantile of its distances becomes 1.
        seed: of the subsets.

    Raises:
        ValueError: an argument is not a finite two-dimensional array, or the numbers of points differ.
    """
    clouds = [torch.from_numpy(_as_array(cloud)).double() for cloud in (x, y)]
    for name, cloud in zip(("x", "y"), clouds, strict=True):
        if cloud.ndim != 2 or len(cloud) == 0 or not cloud.isfinite().all():
            raise ValueError(f"{name} must be a finite array of shape (n, d) with n >= 1")
    n = len(clouds[0])
    if len(clouds[1]) != n:
        raise ValueError(f"y must have as many points as x, {n}, as points are matched; it has {len(clouds[1])}")
    rng = np.random.default_rng(seed)
    count, size = (1, n) if n <= subset_size else (num_subsets, subset_size)
    subsets = [torch.from_numpy(rng.choice(n, size, replace=False)) for _ in range(count)]
    first, second = clouds
    return float(np.mean([_score_of_subset(first[chosen], second[chosen], quantile) for chosen in subsets]))


def _score_of_subset(x: Tensor, y: Tensor, quantile: float) -> float:
    a, b = (scale_by_quantile(euclidean_distances(cloud), quantile) for cloud in (x, y))
    negligible = _NEGLIGIBLE * a.mean()
    return float(rtd_loss(a.where(a >= negligible, 0), b.where(b >= negligible, 0), forms=("min",)))
