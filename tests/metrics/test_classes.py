"""What every torchmetrics class must do: equal its function, reset, pickle, merge."""

import inspect
import pickle

import disent_metrics
import disent_metrics.functional
import pytest
import torch
from disent_metrics import get_score, scores
from disent_metrics.metric import CodesMetric

SLOW = {"DownstreamLogistic"}  # hundreds of scikit-learn fits a call
CLASSES = [getattr(disent_metrics, name) for name in sorted(disent_metrics.CLASSES)]
MARKED = [
    pytest.param(cls, id=cls.__name__, marks=[pytest.mark.slow] * (cls.__name__ in SLOW))
    for cls in CLASSES
    if issubclass(cls, CodesMetric)  # the others have tests of their own
]


def test_every_score_has_a_class():
    ranks_models = disent_metrics.UnsupervisedDisentanglementRanking  # not a score of one model
    assert {cls.score for cls in CLASSES if cls is not ranks_models} == set(scores())


@pytest.fixture(params=MARKED)
def metric(request):
    return request.param()


def batches(metric, world):
    """Update arguments that give a metric what its score needs, in two portions."""
    score = get_score(metric.score)
    if "represent" in score.inputs:
        grid = torch.cartesian_prod(*(torch.arange(size) for size in world.sizes))
        whole = [(torch.tensor(world.represent(grid.numpy())), grid, {})]
    else:
        codes, *others = map(torch.tensor, world.arguments(score))
        labels, *held_out = others or [torch.zeros(len(codes), 1)]
        whole = [(codes, labels, {})] + ([(*held_out, {"test": True})] if held_out else [])
    half = [len(codes) // 2 for codes, _, _ in whole]
    return [
        [(codes[part], factors[part], options) for (codes, factors, options), part in zip(whole, parts, strict=True)]
        for parts in ([slice(h) for h in half], [slice(h, None) for h in half])
    ]  # fmt: skip


def feed(metric, portion):
    for codes, factors, options in portion:
        metric.update(codes, factors, **options)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_class_equals_function_and_resets(metric, worlds, by_key):
    first, second = batches(metric, worlds.mixed)
    for _ in range(2):
        feed(metric, first)
        feed(metric, second)
        numbers = metric.compute()
        metric.reset()
    score = get_score(metric.score)
    world = worlds.mixed
    if "represent" in score.inputs:
        world = world.then(lambda codes: codes.astype("float32"))
    expected = score.function(*world.arguments(score))
    assert by_key(metric, numbers) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="has seen no codes"):
        metric.compute()


def test_merged_halves_equal_the_whole(metric, worlds):
    first, second = batches(metric, worlds.mixed)
    other = type(metric)()
    feed(metric, first)
    feed(other, second)
    other.merge_state(metric)
    feed(metric, second)
    assert metric.compute() == other.compute()


def test_pickled_state_survives(metric, worlds):
    first, second = batches(metric, worlds.mixed)
    feed(metric, first)
    copy = pickle.loads(pickle.dumps(metric))
    feed(metric, second)
    feed(copy, second)
    assert copy.compute() == metric.compute()


def test_constructor_takes_the_settings_of_the_function(metric):
    parameters = inspect.signature(get_score(metric.score).function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert metric.settings == defaults
    for name in defaults:
        assert type(metric)(**{name: "given"}).settings == {**defaults, name: "given"}
    with pytest.raises(ValueError, match="Unexpected keyword arguments: `no_such_setting`"):
        type(metric)(no_such_setting=1)


def test_direction_and_bounds_come_from_the_registry(metric):
    score = get_score(metric.score)
    directions = {key.higher_is_better for key in score.keys.values()}
    assert metric.higher_is_better is (directions.pop() if len(directions) == 1 else None)
    assert metric.bounds == {name: (key.low, key.high) for name, key in score.keys.items()}


def test_third_is_held_out_without_test_data(worlds):
    metric = disent_metrics.SAP()
    codes, factors, _, _ = worlds.perfect.split()
    metric.update(torch.tensor(codes), torch.tensor(factors))
    assert metric.compute() > 0.3
