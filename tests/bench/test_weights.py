from __future__ import annotations

import math

import pytest
import torch

from disent_bench.weights import PI, Capacity, Constant, Linear, make_weight


def values(weight, raws: list[float]) -> list[float]:
    return [float(weight(torch.tensor(raw), torch.tensor(step), {})) for step, raw in enumerate(raws)]


def test_constant_and_linear() -> None:
    assert values(Constant(3.0), [1.0, 2.0]) == [3.0, 6.0]
    assert values(Linear(0.0, 2.0, 4), [1.0] * 6) == [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]


def test_capacity_is_the_absolute_distance_to_a_growing_target() -> None:
    assert values(Capacity(10.0, gamma=2.0, steps=10), [3.0, 3.0, 3.0]) == [6.0, 4.0, 2.0]


def test_controller_follows_the_authors_recursion() -> None:
    raws = [5.0, 0.1, 0.2, 40.0, 3.0]
    kp, ki, integral, previous, expected = 0.5, -0.2, 0.0, 1.0, []
    for step, raw in enumerate(raws):
        error = min(3.0, 0.5 + 0.25 * (step // 2)) - raw
        if previous >= 1.0:
            integral += ki * error
        previous = kp / (1 + math.exp(error)) + integral + 1.0
        expected.append(max(1.0, previous) * raw)
    weight = PI(target=3.0, kp=kp, ki=ki, increment=0.25, every=2)
    assert values(weight, raws) == pytest.approx(expected, rel=1e-5)


def test_memory_travels_in_the_state() -> None:
    raws = [5.0, 0.1, 0.2, 40.0, 3.0]
    whole, first, second = PI(target=3.0, ki=-0.2), PI(target=3.0, ki=-0.2), PI(target=3.0, ki=-0.2)
    expected = values(whole, raws)
    values(first, raws[:3])
    second.load_state_dict(first.state_dict())
    assert [
        float(second(torch.tensor(raw), torch.tensor(step), {})) for step, raw in list(enumerate(raws))[3:]
    ] == expected[3:]


@pytest.mark.parametrize(
    "weight", [2.0, {"kind": "linear", "first": 0.0, "last": 1.0, "steps": 7}, {"kind": "pi", "target": 18.0}]
)
def test_settings_rebuild_the_weight(weight) -> None:
    built = make_weight(weight)
    assert make_weight(built.settings()).settings() == built.settings()


@pytest.mark.parametrize("bad", [{"kind": "liner"}, {"kind": "linear", "form": 1}, "five", math.nan, True, None])
def test_bad_weights_are_refused(bad) -> None:
    with pytest.raises(ValueError, match="weight"):
        make_weight(bad)
