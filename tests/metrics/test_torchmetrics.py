"""The classes behave as torchmetrics' own: in loops, collections, processes, and with other people's arrays."""

import functools
import inspect
import json
import pickle
import subprocess
import sys
import warnings

import disent_metrics
import numpy as np
import pytest
import torch
from disent_metrics import get_score
from disent_metrics.metric import CodesMetric, GridMetric
from torchmetrics import MetricCollection

SLOW = {"DownstreamLogistic"}  # hundreds of scikit-learn fits a call
CLASSES = [getattr(disent_metrics, name) for name in sorted(disent_metrics.CLASSES)]
OF_CODES = [cls for cls in CLASSES if issubclass(cls, CodesMetric)]
QUICK = {
    "FactorVAEScore": {"num_train": 50, "num_eval": 20, "num_variance": 100},
    "BetaVAEScore": {"num_train": 50, "num_eval": 20},
    "DownstreamTrees": {"train_sizes": (200,)},
}
GRID = torch.cartesian_prod(*(torch.arange(size) for size in (3, 4, 5))).repeat(30, 1)
CODES = torch.sin(1.1 * GRID + torch.arange(3)) + 0.3 * GRID.flip(1) + 0.01 * torch.linspace(0, 1, 1800)[:, None].cos()


def make(cls):
    known = get_score(cls.score).settings()
    return cls(**{name: value for name, value in QUICK.get(cls.__name__, {}).items() if name in known})


def close(a, b):
    return torch.allclose(torch.stack(list(flat(a))), torch.stack(list(flat(b))), atol=1e-6, equal_nan=True)


def flat(value):
    return value.values() if isinstance(value, dict) else [value]


@pytest.fixture(
    params=[pytest.param(c, id=c.__name__, marks=[pytest.mark.slow] * (c.__name__ in SLOW)) for c in OF_CODES]
)
def metric(request):
    return make(request.param)


@functools.cache
def scored(cls):
    """The score of all rows, computed once for each class."""
    fresh = make(cls)
    fresh.update(CODES, GRID)
    return fresh.compute()


@pytest.fixture
def whole(metric):
    return scored(type(metric))


def test_one_number_is_a_scalar_and_several_are_a_flat_dict(metric, whole):
    keys = list(get_score(metric.score).keys)
    assert list(whole) == keys if len(keys) > 1 else whole.shape == ()


def test_calls_on_batches_too_small_lose_nothing(metric, whole):
    portions = [5, 795, 1000]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        values = [metric(*batch) for batch in zip(CODES.split(portions), GRID.split(portions), strict=True)]
    too_few = get_score(metric.score).min_samples > portions[0] or isinstance(metric, GridMetric)
    assert all(torch.isnan(value) for value in flat(values[0])) is too_few
    assert len([w for w in caught if "is NaN" in str(w.message)]) == too_few
    assert close(metric.compute(), whole)
    metric(CODES[:8], GRID[:8])  # and again after compute


BAD = {
    "fewer codes than factors": (CODES[:3], GRID[:4]),
    "other columns than before": (CODES[:3, :2], GRID[:3]),
    "one dimension": (CODES[0], GRID[0]),
    "complex numbers": (CODES[:2] * 1j, GRID[:2]),
    "no array": (object(), GRID[:2]),
}


@pytest.mark.filterwarnings("ignore:.* is NaN")
@pytest.mark.parametrize("call", [True, False], ids=["call", "update"])
def test_whatever_a_batch_raises_what_was_collected_stays(metric, whole, call):
    metric(CODES, GRID)
    for fault, (codes, factors) in BAD.items():
        if fault == "fewer codes than factors" and "factors" not in metric.states:
            codes = CODES[0]  # nobody looks at factors
        with pytest.raises(ValueError, match="codes"):
            metric(codes, factors) if call else metric.update(codes, factors)
    assert close(metric.compute(), whole)
    metric.reset()
    metric.update(CODES, GRID)
    assert close(metric.compute(), whole)


def test_factors_that_are_no_classes_are_answered_with_bins():
    with pytest.raises(ValueError, match=r"factors has type torch.float32; .* cut continuous values into bins"):
        disent_metrics.MutualInformationGap().update(CODES, CODES)


def test_too_few_samples_in_all_are_nan_with_a_warning(metric):
    metric.update(CODES[:1], GRID[:1])
    with pytest.warns(UserWarning, match="is NaN"):
        assert all(torch.isnan(value) for value in flat(metric.compute()))


@pytest.mark.parametrize("change", [np.asarray, lambda rows: rows.tolist()], ids=["numpy", "lists"])
def test_arrays_and_lists_are_taken(metric, whole, change):
    metric.update(change(CODES), change(GRID))
    assert close(metric.compute(), whole)


def test_the_buffers_of_the_caller_may_change(metric, whole):
    codes, factors = CODES.numpy().copy(), GRID.numpy().copy()
    metric.update(codes, factors)
    codes[:], factors[:] = 0, 0
    assert close(metric.compute(), whole)


def test_whole_numbers_survive_another_type(metric):
    metric.update(CODES, 1000 * GRID + 1)
    metric.set_dtype(torch.half)
    metric.update(CODES, 1000 * GRID + 1)
    for name in {"factors"} & set(metric.states):
        assert torch.equal(torch.cat(getattr(metric, name)), (1000 * GRID + 1).repeat(2, 1))
    assert not any(torch.isnan(value) for value in flat(metric.compute()))


def test_held_out_rows_are_no_training_rows(metric, whole):
    metric.update(CODES, GRID)
    metric.update(-7 * CODES, GRID, test=True)
    if "test_codes" in get_score(metric.score).inputs:
        assert not close(metric.compute(), whole)
    else:
        assert close(metric.compute(), whole)


def test_representation_and_signature_show_the_settings(metric):
    for name, value in metric.settings.items():
        assert f"{name}={value!r}" in repr(metric)
    shown = inspect.signature(type(metric)).parameters
    assert {name: shown[name].default for name in metric.settings} == get_score(metric.score).settings()


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_state_is_saved_loaded_and_pickled(metric, whole):
    metric.persistent(True)
    metric.update(CODES, GRID)
    other = make(type(metric))
    other.persistent(True)
    other.load_state_dict(metric.state_dict())
    assert close(other.compute(), whole)
    assert close(pickle.loads(pickle.dumps(metric)).compute(), whole)
    assert hash(metric) != hash(make(type(metric)))


def test_plots(metric, whole):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    metric.update(CODES, GRID)
    figure, axes = metric.plot()
    assert axes.lines
    metric.plot([whole, whole], ax=axes)
    matplotlib.pyplot.close(figure)


def collection(order):
    classes = [cls for cls in OF_CODES if cls.__name__ not in SLOW]
    return MetricCollection([make(cls) for cls in classes[::order]])


@pytest.fixture(scope="module")
def alone():
    """Every score computed by itself."""
    numbers = {}
    for cls in OF_CODES:
        if cls.__name__ not in SLOW:
            metric = make(cls)
            metric.update(CODES[:1560], GRID[:1560])
            metric.update(CODES[1560:], GRID[1560:], test=True)
            value = metric.compute()
            numbers |= value if isinstance(value, dict) else {cls.__name__: value}
    return numbers


@pytest.mark.parametrize("order", [1, -1])
def test_a_collection_gives_what_its_members_give(order, alone):
    together = collection(order)
    for rows in (slice(0, 700), slice(700, 1560)):
        together.update(CODES[rows], GRID[rows])
    together.update(CODES[1560:], factors=GRID[1560:], test=True)
    numbers = together.compute()
    assert numbers.keys() == alone.keys()
    assert close({key: numbers[key] for key in alone}, alone)
    assert len(together.compute_groups) == 2  # labelled states are kept once, codes alone once
    together.reset()
    values = together(CODES[:1560], GRID[:1560])  # as a whole batch
    assert values.keys() == alone.keys()


def test_a_prefix_names_every_number(alone):
    named = collection(1).clone(prefix="val_")
    named.update(CODES, GRID)
    assert {key.removeprefix("val_") for key in named.compute()} == alone.keys()


RANKS = """
import json, sys, warnings, torch
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[3])
from test_torchmetrics import CODES, GRID, OF_CODES, SLOW, flat, make
from disent_metrics import ReconstructionError, UnsupervisedDisentanglementRanking
rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=2)
parts = {"halves": (slice(0, 500), slice(500, None)), "all on one rank": (slice(0, 0), slice(0, None))}
numbers = {}
for name, rows in parts.items():
    for cls in OF_CODES:
        if cls.__name__ in SLOW:
            continue
        metric = make(cls)
        if len(CODES[rows[rank]]):
            metric.update(CODES[rows[rank]].double(), GRID[rows[rank]])
        if rank == 0:
            metric.update(CODES[::3] * 2, GRID[::3], test=True)
        numbers[f"{name} {cls.__name__}"] = [float(value) for value in flat(metric.compute())]
        own = sum(len(block) for block in metric.codes)
        assert own == len(CODES[rows[rank]]), "a rank lost its own rows"
models = UnsupervisedDisentanglementRanking()
if rank:
    models.update([CODES.double(), CODES.flip(1).double()])
numbers["ranking"] = models.compute()["udr"].tolist()
mean = ReconstructionError()
if rank:
    mean.update(torch.zeros(2, 3), torch.ones(2, 3))
numbers["mean"] = [float(mean.compute())]
print(json.dumps(numbers))
"""


def test_two_processes_see_all_rows_whoever_has_them(tmp_path):
    """Rows on both ranks, on one alone, held-out rows on one alone; whole numbers and two kinds of floats."""
    here = str(tmp_path / "store"), str(__file__.rsplit("/", 1)[0])
    commands = [[sys.executable, "-c", RANKS, str(rank), *here] for rank in range(2)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    first, second = (json.loads(process.communicate(timeout=240)[0]) for process in processes)
    assert first == second
    for cls in OF_CODES:
        if cls.__name__ in SLOW:
            continue
        metric = make(cls)
        metric.update(CODES.double(), GRID)
        metric.update(CODES[::3] * 2, GRID[::3], test=True)
        expected = [value.item() for value in flat(metric.compute())]
        assert first[f"all on one rank {cls.__name__}"] == pytest.approx(expected, abs=1e-6), cls
        assert first[f"halves {cls.__name__}"] == pytest.approx(expected, abs=1e-6), cls
    assert first["mean"] == [1.0]
    assert len(first["ranking"]) == 2
