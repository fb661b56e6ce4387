import numpy as np
import pytest
from disent_metrics import ScoreProtocol, evaluate, evaluate_codes
from disent_metrics.functional import geometry_score, reconstruction_error, topology_score
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist, squareform

RNG = np.random.default_rng(0)


def test_reconstruction_error_is_the_mean_square():
    images, decoded = RNG.random((2, 7, 4, 4, 3))
    expected = sum((a - b) ** 2 for a, b in zip(images.ravel(), decoded.ravel(), strict=True)) / images.size
    assert reconstruction_error(images, decoded)["reconstruction_mse"] == pytest.approx(expected)


def test_topology_sees_scaled_distances_of_every_latent():
    images, traversals = RNG.random((6, 2, 3)), RNG.random((4, 6, 2, 3))
    seen = []

    def divergence(a, b):
        seen.append((a, b))
        return len(seen)

    assert topology_score(images, traversals, divergence) == {"traversal_rtd": 2.5, "traversal_rtd_max": 4.0}
    for cloud, (a, b) in zip(traversals, seen, strict=True):
        for matrix, points in ((a, images), (b, cloud)):
            distances = squareform(pdist(points.reshape(6, -1)))
            np.testing.assert_allclose(matrix, distances / np.quantile(distances, 0.9), atol=1e-7)


def matched(a, b):
    return np.mean((a - b) ** 2)


def test_topology_compares_each_latent_with_its_own_batch():
    unmoved, traversals = RNG.random((2, 4, 6, 3))
    divergence = lambda a, b: np.abs(a - b).max()  # noqa: E731
    each = [topology_score(a, b[None], divergence)["traversal_rtd"] for a, b in zip(unmoved, traversals, strict=True)]
    expected = {"traversal_rtd": pytest.approx(np.mean(each)), "traversal_rtd_max": pytest.approx(max(each))}
    assert topology_score(unmoved, traversals, divergence) == expected


def test_gap_of_a_map_that_is_as_good_as_any_is_zero():
    images, codes, decoded = RNG.random((3, 9, 5))
    numbers = geometry_score(images, codes, decoded, matched)
    cosine = lambda x: cdist(x, x, "cosine")  # noqa: E731
    assert numbers["encoder_distortion"] == pytest.approx(0.5 * matched(cosine(images), cosine(codes)))
    assert numbers["decoder_distortion"] == pytest.approx(0.5 * matched(cosine(codes), cosine(decoded)))
    assert numbers["encoder_gap"] == pytest.approx(0.0)


def test_gap_of_a_shuffled_isometry_is_its_distortion():
    """Codes are the images in another order: transport undoes the order at no cost, the map does not."""
    images = RNG.normal(size=(8, 3))
    codes = 2.0 * images[RNG.permutation(8)]

    def transport(a, b):
        rows, columns = linear_sum_assignment(cdist(np.sort(a), np.sort(b)))
        return matched(a[np.ix_(rows, rows)], b[np.ix_(columns, columns)])

    numbers = geometry_score(images, codes, codes, transport, cost="scaled_sqeuclidean")
    assert numbers["encoder_distortion"] > 0.01
    assert numbers["encoder_gap"] == pytest.approx(numbers["encoder_distortion"])
    assert numbers["decoder_gap"] == pytest.approx(0.0)


def test_squared_distances_are_over_their_mean_diagonal_included():
    images, codes, decoded = RNG.random((3, 9, 5))
    numbers = geometry_score(images, codes, decoded, matched, cost="scaled_sqeuclidean")
    scaled = lambda x: cdist(x, x, "sqeuclidean") / cdist(x, x, "sqeuclidean").mean()  # noqa: E731
    assert numbers["encoder_distortion"] == pytest.approx(0.5 * matched(scaled(images), scaled(codes)))


def test_suite_asks_providers_and_says_what_is_missing(worlds):
    images = RNG.random((5, 4))
    protocol = ScoreProtocol("p", ("reconstruction", "topology"), num_train=60, num_test=30)
    given = {"images": lambda: images, "reconstructions": lambda: images}
    result = evaluate(worlds.perfect.represent, (3, 4, 5), protocol, providers=given)
    assert result.scores == {"reconstruction_mse": 0.0}
    assert (
        "topology takes what codes do not give: unmoved (decodings of some codes, for each latent); traversals ("
        in (result.errors["topology"])
    )
    assert set(evaluate_codes(*worlds.perfect.split(60, 30), protocol=protocol).errors) == set(protocol.scores)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (reconstruction_error, (np.zeros((3, 2)), np.zeros((3, 1))), "equal shapes"),
        (reconstruction_error, (np.full((3, 2), np.nan), np.zeros((3, 2))), "images holds NaN"),
        (reconstruction_error, (np.zeros(3), np.zeros(3)), "images has shape"),
        (topology_score, (np.zeros((5, 2)), np.zeros((3, 4, 2)), matched), "one shifted batch per latent"),
        (topology_score, (np.zeros((3, 2)), np.zeros((2, 3, 2)), matched), "at least 4"),
        (geometry_score, (np.zeros((5, 2)), np.zeros((4, 2)), np.zeros((5, 2)), matched), "one row per sample"),
    ],
)
def test_refusals(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_unknown_cost():
    with pytest.raises(ValueError, match="unknown cost 'cosin', did you mean 'cosine'"):
        geometry_score(*np.ones((3, 4, 2)), matched, cost="cosin")
