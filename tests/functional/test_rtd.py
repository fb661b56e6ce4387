"""Cross-barcodes against gudhi and ripser on the doubled matrix; the loss against them, a port, and differences."""

import gudhi
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from ripser import ripser
from scipy.spatial.distance import pdist, squareform
from torch import Tensor

from disent_bench.functional.distances import euclidean_distances, scale_by_quantile
from disent_bench.functional.rtd import cross_barcode, cross_barcode_pairs, rtd_loss, rtd_score

FORMS = ("min", "max")


def distances(points: NDArray) -> NDArray:
    return squareform(pdist(points))


def doubled(a: NDArray, b: NDArray, form: str) -> NDArray:
    if form == "min":
        return np.block([[np.zeros_like(a), a], [a, np.minimum(a, b)]])
    return np.block([[np.zeros_like(a), np.maximum(a, b)], [np.maximum(a, b), b]])


def tidy(bars: NDArray) -> NDArray:
    bars = np.asarray(bars, dtype=np.float64).reshape(-1, 2)
    bars = bars[bars[:, 1] > bars[:, 0]]
    return bars[np.lexsort((bars[:, 1], bars[:, 0]))]


def gudhi_bars(matrix: NDArray) -> NDArray:
    tree = gudhi.SimplexTree.create_from_array(matrix)
    tree.expansion(2)
    tree.compute_persistence(min_persistence=0)
    return tidy(tree.persistence_intervals_in_dimension(1))


def ripser_bars(matrix: NDArray) -> NDArray:
    return tidy(ripser(matrix, distance_matrix=True, maxdim=1)["dgms"][1])


def clouds(kind: str, n: int, seed: int) -> tuple[NDArray, NDArray]:
    """Two matched clouds; every kind but the first has many equal distances."""
    rng = np.random.default_rng(seed)
    if kind == "gaussian":
        return rng.normal(size=(n, 4)), rng.normal(size=(n, 3))
    if kind == "noisy copy":
        x = rng.normal(size=(n, 5)).round(1)
        return x, (x + 0.3 * rng.normal(size=(n, 5))).round(1)
    if kind == "integer grid":
        return rng.integers(0, 3, (n, 2)).astype(float), rng.integers(0, 3, (n, 2)).astype(float)
    if kind == "repeated point":
        x = rng.normal(size=(n, 3))
        x[n // 2 :] = x[0]
        return x, rng.normal(size=(n, 3))
    if kind == "one point":
        return np.zeros((n, 2)), rng.normal(size=(n, 2))
    if kind == "outlier":
        x = rng.normal(size=(n, 3))
        x[0] += 1e4
        return x, rng.normal(size=(n, 3))
    if kind == "simplex":
        return np.eye(n), np.eye(n) * np.where(np.arange(n) % 2, 1.0, 0.5)
    raise AssertionError(kind)


KINDS = ("gaussian", "noisy copy", "integer grid", "repeated point", "one point", "outlier", "simplex")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 23, 40])
def test_barcode_equals_gudhi_on_the_doubled_graph(kind: str, n: int, form: str) -> None:
    a, b = map(distances, clouds(kind, n, seed=n))
    np.testing.assert_allclose(cross_barcode(a, b, form=form), gudhi_bars(doubled(a, b, form)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["gaussian", "noisy copy", "integer grid"])
@pytest.mark.parametrize("n", [3, 64, 70, 130])
def test_barcode_equals_ripser_on_the_doubled_graph(kind: str, n: int, form: str) -> None:
    """Over 64 and 128 points a bit set takes more than one and two words."""
    # float32, which ripser computes in, so that equal and unequal values stay so.
    a, b = (distances(x).astype(np.float32) for x in clouds(kind, n, seed=n))
    ours, theirs = cross_barcode(a, b, form=form), ripser_bars(doubled(a, b, form))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    assert n == 3 or len(ours) > n // 4, "too few bars to tell"


def test_two_points_have_the_bar_between_their_two_distances() -> None:
    near, far = distances(np.array([[0.0], [1.0]])), distances(np.array([[0.0], [3.0]]))
    np.testing.assert_array_equal(cross_barcode(far, near), [[1, 3]])
    np.testing.assert_array_equal(cross_barcode(near, far), np.empty((0, 2)))
    np.testing.assert_array_equal(cross_barcode(far, near, form="max"), [[1, 3]])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_equal_clouds_have_no_bars(kind: str, form: str) -> None:
    a = distances(clouds(kind, 30, seed=0)[0])
    assert cross_barcode(a, a, form=form).shape == (0, 2)
    assert rtd_loss(torch.tensor(a), torch.tensor(a)) == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_pairs_name_the_entries_that_the_bars_come_from(kind: str, form: str) -> None:
    a, b = map(distances, clouds(kind, 25, seed=3))
    small, large = (np.minimum(a, b), a) if form == "min" else (b, np.maximum(a, b))
    births, deaths, in_large = cross_barcode_pairs(a, b, form=form)
    birth = small[tuple(births.T)]
    death = np.where(in_large, large[tuple(deaths.T)], small[tuple(deaths.T)])
    assert (np.diff(death - birth) <= 0).all(), "longest bars first"
    np.testing.assert_array_equal(tidy(np.stack((birth, death), axis=1)), cross_barcode(a, b, form=form))


BAD = {
    "NaN": np.array([[0, np.nan], [np.nan, 0]]),
    "infinite": np.array([[0, np.inf], [np.inf, 0]]),
    "symmetric": np.array([[0.0, 1.0], [2.0, 0.0]]),
    "smallest entry is -1": np.array([[0.0, -1.0], [-1.0, 0.0]]),
    "square": np.zeros((2, 3)),
    "shape": np.zeros(4),
    "n >= 1": np.zeros((0, 0)),
}


@pytest.mark.parametrize("message", BAD)
@pytest.mark.parametrize("name", ["a", "b"])
def test_bad_matrices_are_refused_by_name(name: str, message: str) -> None:
    matrices = {"a": np.zeros((2, 2)), "b": np.zeros((2, 2)), name: BAD[message]}
    with pytest.raises(ValueError, match=f"^{name} must.*{message}"):
        cross_barcode(**matrices)


def test_unmatched_and_unknown_arguments_are_refused() -> None:
    a, b = torch.zeros(2, 2), torch.zeros(3, 3)
    with pytest.raises(ValueError, match=r"b must have the shape of a, \(2, 2\)"):
        cross_barcode(a, b)
    with pytest.raises(ValueError, match=r"b must have the shape of a, \(2, 2\)"):
        rtd_loss(a, b)
    with pytest.raises(ValueError, match="unknown form 'mid'"):
        cross_barcode(a, a, form="mid")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown routing"):
        rtd_loss(a, a, routing="theirs")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="power must be positive"):
        rtd_loss(a, a, power=0)
    with pytest.raises(ValueError, match="max_bars must be at least 1"):
        rtd_loss(a, a, max_bars=0)
    with pytest.raises(ValueError, match="b must be a tensor of the type"):
        rtd_loss(a, a.double())
    with pytest.raises(ValueError, match="a must be a floating-point tensor"):
        rtd_loss(a.long(), a)


MATCHED = hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(-4, 4, width=16))


def both_losses(points: NDArray, **options: float) -> Tensor:
    a, b = distances(points[:, :2]), distances(points[:, 2:])
    return rtd_loss(torch.tensor(a), torch.tensor(b), **options)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(points=MATCHED, seed=st.integers(0, 99), power=st.sampled_from([1, 2]))
def test_loss_does_not_see_the_order_of_points_or_of_clouds(points: NDArray, seed: int, power: int) -> None:
    loss = both_losses(points, power=power)
    shuffled = np.random.default_rng(seed).permutation(points)
    torch.testing.assert_close(both_losses(shuffled, power=power), loss)
    torch.testing.assert_close(both_losses(points[:, [2, 3, 0, 1]], power=power), loss)
    assert loss >= 0


@settings(max_examples=40, deadline=None)
@given(points=MATCHED, power=st.sampled_from([1, 2]), scale=st.sampled_from([0.25, 3.0]))
def test_loss_is_homogeneous(points: NDArray, power: int, scale: float) -> None:
    torch.testing.assert_close(
        both_losses(scale * points, power=power), scale**power * both_losses(points, power=power)
    )


@settings(max_examples=40, deadline=None)
@given(points=MATCHED)
def test_barcode_of_any_cloud_equals_gudhi(points: NDArray) -> None:
    a, b = distances(points[:, :2]), distances(points[:, 2:])
    for form in FORMS:
        ours, theirs = cross_barcode(a, b, form=form), gudhi_bars(doubled(a, b, form))
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=0)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("max_bars", [None, 3])
@pytest.mark.parametrize("forms", [("min", "max"), ("min",), ("max",)])
def test_loss_is_half_the_sum_over_directions_and_forms(
    power: int, max_bars: int | None, forms: tuple[str, ...]
) -> None:
    a, b = map(distances, clouds("gaussian", 30, seed=5))
    total = 0.0
    for first, second in ((a, b), (b, a)):
        for form in forms:
            lengths = np.sort(np.diff(gudhi_bars(doubled(first, second, form))).ravel())[::-1]
            total += 0.5 * (lengths[:max_bars] ** power).sum()
    loss = rtd_loss(torch.tensor(a), torch.tensor(b), power=power, max_bars=max_bars, forms=forms)
    assert loss.item() == pytest.approx(total, rel=1e-12)


def points(n: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return x, x + 0.7 * torch.randn(n, 3, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("max_bars", [None, 4])
def test_gradient_is_the_derivative_of_the_value(power: int, max_bars: int | None) -> None:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        return rtd_loss(euclidean_distances(x), euclidean_distances(y), power=power, max_bars=max_bars)

    x, y = points(14, seed=1)
    assert loss(x, y) > 0
    assert torch.autograd.gradcheck(loss, (x.requires_grad_(), y.requires_grad_()))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_and_equal_clouds_give_zero_gradients_not_nan(n: int) -> None:
    x = torch.ones(n, 3, requires_grad=True)
    loss = rtd_loss(scale_by_quantile(euclidean_distances(x)), scale_by_quantile(euclidean_distances(x)))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(x.grad, torch.zeros(n, 3))


def test_half_precision_distances_are_computed_in_float32() -> None:
    a, b = (euclidean_distances(x).bfloat16() for x in points(20, seed=2))
    loss = rtd_loss(a.requires_grad_(), b)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(rtd_loss(a.float(), b.float()).item())
    loss.backward()
    assert a.grad.abs().sum() > 0


def test_threads_change_nothing() -> None:
    """From 96 points on the barcodes run in threads; padding with copies of one point adds no bars."""
    x, y = points(40, seed=4)
    padded = [torch.cat((cloud, cloud[:1].expand(60, 3))) for cloud in (x, y)]
    alone = rtd_loss(euclidean_distances(x), euclidean_distances(y))
    torch.testing.assert_close(rtd_loss(*map(euclidean_distances, padded)), alone)


def official_pairs(matrix: NDArray) -> list[tuple[float, tuple[int, int], tuple[int, int]]]:
    """Bars as the authors' engine names them: at equal filtration simplices of larger vertices come first.

    gudhi puts smaller vertices first, so it gets the matrix reversed. A death edge is its triangle's first longest one.
    """
    last = len(matrix) - 1
    tree = gudhi.SimplexTree.create_from_array(matrix[::-1, ::-1])
    tree.expansion(2)
    tree.compute_persistence(min_persistence=0)
    found = []
    for edge, triangle in tree.persistence_pairs():
        if len(edge) != 2 or len(triangle) != 3:
            continue
        corners = sorted((last - v for v in triangle), reverse=True)
        block = matrix[np.ix_(corners, corners)]
        row, column = np.unravel_index(block.argmax(), block.shape)
        birth, death = (last - edge[0], last - edge[1]), (corners[row], corners[column])
        length = matrix[death] - matrix[birth]
        if length > 0:
            found.append((length, birth, death))
    return sorted(found, key=lambda bar: -bar[0])


def official_loss(first: Tensor, second: Tensor, power: int, card: int) -> Tensor:
    """The released loss on doubled matrices, with its substitute matrices (facts sheet of TopDis, section 2b)."""

    def blocks(corner: Tensor, side: Tensor, inner: Tensor) -> Tensor:
        return torch.cat((torch.cat((corner, side), 1), torch.cat((side, inner), 1)))

    zero = torch.zeros_like(first)
    all_second = blocks(second, second, second)
    total = zero.sum()
    for a, b, deaths_of_min, births_of_max in (
        (first, second, blocks(zero, first, second), all_second),
        (second, first, all_second, blocks(zero, second, first)),
    ):
        lower, upper = torch.minimum(a, b), torch.maximum(a, b)
        minimum, maximum = blocks(zero, a, lower), blocks(zero, upper, b)
        for _, birth, death in official_pairs(minimum.detach().numpy())[:card]:
            total = total + (deaths_of_min[death] - minimum[birth]).abs() ** power / 2
        for _, birth, death in official_pairs(maximum.detach().numpy())[:card]:
            total = total + (maximum[death] - births_of_max[birth]).abs() ** power / 2
    return total


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("card", [5, 50])
@pytest.mark.parametrize("seed", range(4))
def test_official_routing_equals_a_port_of_the_released_loss(seed: int, card: int, power: int) -> None:
    a, b = (euclidean_distances(x).requires_grad_() for x in points(20, seed))
    ours = rtd_loss(a, b, power=power, max_bars=card, routing="official")
    theirs = official_loss(a, b, power, card)
    torch.testing.assert_close(ours, theirs)
    for mine, port in zip(torch.autograd.grad(ours, (a, b)), torch.autograd.grad(theirs, (a, b)), strict=True):
        torch.testing.assert_close(mine + mine.T, port + port.T)
    assert ours > rtd_loss(a, b, power=power, max_bars=card), "the substitute lengthens some bars"


def test_score_is_the_mean_of_both_directions_of_normalised_clouds() -> None:
    x, y = (cloud.numpy() for cloud in points(30, seed=6))
    a, b = distances(x), distances(y)
    a, b = a / np.quantile(a, 0.9), b / np.quantile(b, 0.9)
    expected = np.mean([np.diff(gudhi_bars(doubled(*pair, "min"))).sum() for pair in ((a, b), (b, a))])
    assert rtd_score(x, y) == pytest.approx(expected, rel=1e-9)
    assert rtd_score(7 * x, y + 2) == pytest.approx(expected, rel=1e-9)
    assert rtd_score(x, x) == 0


def test_score_sees_distances_down_to_a_millionth_of_the_mean() -> None:
    """Smaller ones are rounding errors of distances between far points."""
    line = np.arange(4.0)[:, None] * [[1.0, 2.0]]
    doubled = np.concatenate([line, line[:1]])
    for aside, seen in ((2e-5, True), (1e-6, False)):
        moved = np.concatenate([line, line[:1] + aside * np.array([[2.0, -1.0]]) / np.sqrt(5)])
        assert (rtd_score(moved, doubled) > 1e-7) == seen


def test_score_of_many_points_averages_matched_subsets() -> None:
    x, y = (cloud.numpy() for cloud in points(60, seed=7))
    options = {"subset_size": 20, "num_subsets": 3}
    assert rtd_score(x, y, **options, seed=1) == rtd_score(x, y, **options, seed=1)
    assert rtd_score(x, y, **options, seed=1) != rtd_score(x, y, **options, seed=2)
    assert rtd_score(x, x, **options) == 0
    rng = np.random.default_rng(1)
    subsets = [rng.choice(60, 20, replace=False) for _ in range(3)]
    expected = np.mean([rtd_score(x[chosen], y[chosen]) for chosen in subsets])
    assert rtd_score(x, y, **options, seed=1) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ValueError, match="y must have as many points as x, 60"):
        rtd_score(x, y[:50])
    with pytest.raises(ValueError, match="x must be a finite array"):
        rtd_score(np.full((4, 2), np.nan), y[:4])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_loss_on_a_gpu_equals_the_loss_on_the_cpu() -> None:
    a, b = (euclidean_distances(x) for x in points(64, seed=8))
    on_gpu = [m.cuda().requires_grad_() for m in (a, b)]
    on_cpu = [m.clone().requires_grad_() for m in (a, b)]
    losses = [rtd_loss(*pair, power=2) for pair in (on_gpu, on_cpu)]
    assert losses[0].is_cuda
    torch.testing.assert_close(losses[0].cpu(), losses[1])
    for gpu, cpu in zip(torch.autograd.grad(losses[0], on_gpu), torch.autograd.grad(losses[1], on_cpu), strict=True):
        torch.testing.assert_close(gpu.cpu(), cpu)
