import pickle

import pytest
import torch
from disent_metrics import Geometry, ReconstructionError, TraversalTopology
from disent_metrics.functional import geometry_score, reconstruction_error, topology_score


def largest_difference(a, b):
    return abs(a - b).max()


def half_of_matched(a, b):
    return 0.5 * ((a - b) ** 2).mean()


def batch(seed, rows):
    generator = torch.manual_seed(seed)
    return [torch.rand(rows, *shape, generator=generator) for shape in ((3, 4), (5,), (3, 4))]


def cases(seed, rows):
    images, codes, decoded = batch(seed, rows)
    return [
        (ReconstructionError(), reconstruction_error, (images, decoded), ()),
        (TraversalTopology(largest_difference), topology_score, (images, decoded[None]), (largest_difference,)),
        (Geometry(half_of_matched), geometry_score, (images, codes, decoded), (half_of_matched,)),
    ]


def test_a_batch_without_a_value_is_passed_over(by_key):
    metric, (_, _, arrays, extra) = Geometry(half_of_matched), cases(0, 6)[2]
    metric.update(*arrays)
    with pytest.warns(UserWarning, match="passes over a batch"):
        metric.update(*(each[:1] for each in arrays))
    assert by_key(metric, metric.compute()) == pytest.approx(geometry_score(*arrays, *extra), abs=1e-6)
    with pytest.warns(UserWarning, match="passes over a batch"):
        assert torch.isnan(Geometry(half_of_matched)(*(each[:1] for each in arrays))["encoder_gap"])


@pytest.mark.parametrize("case", range(3))
def test_average_over_batches_and_processes(case, by_key):
    (metric, function, first, extra), (other, _, second, _) = cases(0, 6)[case], cases(1, 18)[case]
    metric.update(*first)
    other.update(*second)
    small, large = function(*first, *extra), function(*second, *extra)
    expected = {key: 0.25 * small[key] + 0.75 * large[key] for key in small}
    merged = pickle.loads(pickle.dumps(other))
    merged.merge_state(metric)
    metric.update(*second)
    for values in (metric.compute(), merged.compute()):
        assert by_key(metric, values) == pytest.approx(expected, abs=1e-6)
    metric.reset()
    metric.update(*first)
    assert by_key(metric, metric.compute()) == pytest.approx(small, abs=1e-6)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_nothing_seen():
    with pytest.raises(ValueError, match="has seen no batch"):
        ReconstructionError().compute()


def test_direction_and_bounds():
    assert Geometry.higher_is_better is False
    assert ReconstructionError.bounds == {"reconstruction_mse": (0.0, float("inf"))}
