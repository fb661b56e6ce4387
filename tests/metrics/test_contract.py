"""What every registered score must do; a new one is picked up by being registered."""

import numpy as np
import pytest
import torch
from disent_metrics import scores

SLOW = {"downstream_logistic"}  # hundreds of scikit-learn fits a call
# scores of images have tests of their own
FROM_CODES = {"codes", "factors", "test_codes", "test_factors", "represent", "factor_sizes"}
SCORES = [
    pytest.param(score, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
    for name, score in scores().items()
    if set(score.inputs) <= FROM_CODES
]
pytestmark = pytest.mark.parametrize("score", SCORES)

RANDOMISED = 0.03  # ties between equal splits, or votes of an intervention, fall differently
NOT_CENTRED = {"hfs_sap": 0.15}  # bin numbers start at 1 and the intercept is penalised, so sign matters there


def check(score, numbers):
    assert set(numbers) == set(score.keys)
    for name, key in score.keys.items():
        assert isinstance(numbers[name], float)
        assert key.low - 1e-9 <= numbers[name] <= key.high + 1e-9


def test_range_keys_and_determinism(score, world):
    numbers = score.function(*world.arguments(score))
    check(score, numbers)
    assert score.function(*world.arguments(score)) == numbers


def test_perfect_code_beats_noise_or_dependence(score, worlds):
    dependent = worlds.mixed.then(lambda codes: 8.0 * codes)
    other = dependent if score.inputs == ("codes",) else worlds.noise
    good, bad = (score.function(*world.arguments(score)) for world in (worlds.perfect, other))
    for name, key in score.keys.items():
        if key.higher_is_better is not None:
            better, worse = (good, bad) if key.higher_is_better else (bad, good)
            assert better[name] >= worse[name]
    assert good != bad


def test_permutation_and_sign_of_latents(score, worlds):
    before = score.function(*worlds.mixed.arguments(score))
    changed = worlds.mixed.then(lambda codes: codes[:, [2, 0, 3, 1]] * [1.0, -1.0, -1.0, 1.0])
    assert score.function(*changed.arguments(score)) == pytest.approx(
        before, abs=NOT_CENTRED.get(score.name, RANDOMISED)
    )


def test_duplicated_constant_and_missing_codes(score, worlds):
    for change in (
        lambda codes: np.concatenate([codes, codes], axis=1),
        lambda codes: np.concatenate([codes, np.ones((len(codes), 1))], axis=1),
        lambda codes: np.zeros_like(codes),
        lambda codes: codes[:, :1],
    ):
        check(score, score.function(*worlds.perfect.then(change).arguments(score)))


def test_tensors_lists_and_integers(score, worlds):
    whole = worlds.perfect.then(np.round)
    expected = score.function(*whole.arguments(score))
    if "represent" in score.inputs:
        as_tensor = whole.then(lambda codes: torch.tensor(codes, dtype=torch.bfloat16))
        assert score.function(as_tensor.represent.__call__, whole.sizes) == expected
        return
    arguments = whole.arguments(score)
    assert score.function(*(torch.tensor(array) for array in arguments)) == expected
    assert score.function(*(array.astype(int).tolist() for array in arguments)) == expected


def test_input_is_left_alone(score, worlds):
    if "represent" in score.inputs:
        pytest.skip("takes an encoder, not arrays")
    arguments = worlds.mixed.arguments(score)
    for array in arguments:
        array.setflags(write=False)
    check(score, score.function(*arguments))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_codes_that_are_not_finite_are_refused(score, worlds, value):
    broken = worlds.mixed.then(lambda codes: np.where(np.arange(codes.shape[1]) == 1, value, codes))
    with pytest.raises(ValueError, match=r"codes holds? NaN or infinity"):
        score.function(*broken.arguments(score))


def test_bad_arrays_are_refused_by_name(score, worlds):
    if "represent" in score.inputs:
        with pytest.raises(ValueError, match="factor_sizes"):
            score.function(worlds.mixed.represent, (3, 1))
        return
    codes, *others = worlds.mixed.arguments(score)
    for bad, message in (
        (codes[:, 0], "codes has shape"),
        (codes[: score.min_samples - 1], f"at least {score.min_samples}|codes has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            score.function(bad, *([others[0][: len(bad)], *others[1:]] if others else []))
    if not others:
        return
    factors, *rest = others
    for bad, message in (
        ((codes[1:], factors), f"codes has {len(codes) - 1} rows and factors has {len(codes)}"),
        ((codes, factors * 1.0), "factors has type float64"),
        ((codes, factors * [1, 0, 1]), "factors has one class only in column 1"),
        ((codes, factors[:, 0]), "factors has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            score.function(*bad, *rest)


def test_test_set_without_a_class_or_with_a_new_one(score, worlds):
    if "test_codes" not in score.inputs:
        pytest.skip("has no test set")
    codes, factors, test_codes, test_factors = worlds.perfect.arguments(score)
    lacking = test_factors[:, 0] != 1
    check(score, score.function(codes, factors, test_codes[lacking], test_factors[lacking]))
    added = factors[:, 0] != 1
    check(score, score.function(codes[added], factors[added], test_codes, test_factors))


def test_the_order_of_a_factors_values_counts_and_not_their_size(score, worlds):
    if "represent" in score.inputs or "factors" not in score.inputs:
        pytest.skip("takes no labels")
    codes, factors, *rest = worlds.mixed.arguments(score)
    far = np.array([-7, 0, 1, 1000, 2000, 5000, 10**6, 10**9])
    others = [array if name == "test_codes" else far[array] for name, array in zip(score.inputs[2:], rest, strict=True)]
    assert score.function(codes, far[factors], *others) == score.function(codes, factors, *rest)
