from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from disent_bench.contracts.methods import Reads
from disent_bench.forward import Pass
from disent_bench.host import recorded_by
from disent_bench.objective import Objective, SkipStep
from disent_bench.terms import Topological
from disent_bench.terms.topological import shift_latent


def make_pass(z: torch.Tensor, decode, norms: torch.Tensor | None = None) -> Pass:
    return Pass(
        x=torch.zeros(len(z), 1, 2, 2),
        mean=z,
        logvar=torch.zeros_like(z),
        z=z,
        logits=decode(z),
        decode=decode,
        encode=lambda x: (x, x),
        latent_norms=torch.ones(z.shape[1]) if norms is None else norms,
        step=0,
        n_train=100,
    )


def test_shift_equals_the_gaussian_cdf_of_scipy() -> None:
    torch.manual_seed(0)
    z = torch.randn(200, 3, dtype=torch.float64) * 2 + 1
    moved, valid = shift_latent(z, torch.tensor([1]), torch.tensor([-0.125]))
    column = z[:, 1].numpy()
    fitted = norm(column.mean(), column.std(ddof=1))
    target = fitted.cdf(column) - 0.125
    assert (valid.numpy() == ((target > 0) & (target < 1))).all()
    torch.testing.assert_close(moved[valid, 1], torch.from_numpy(fitted.ppf(target[target > 0])))
    assert torch.equal(moved[:, [0, 2]], z[:, [0, 2]])
    assert 150 < int(valid.sum()) < 200  # about 1/8 leaves the unit interval


def test_shift_is_differentiable_through_the_batch_statistics() -> None:
    torch.manual_seed(0)
    z = torch.randn(9, 2, dtype=torch.float64, requires_grad=True)

    def moved(z: torch.Tensor) -> torch.Tensor:
        shifted, valid = shift_latent(z, torch.tensor([0]), torch.tensor([0.125]))
        return shifted[valid]

    assert torch.autograd.gradcheck(moved, (z,))


def test_an_equivariant_decoder_has_no_divergence() -> None:
    # shifting a latent whose logits move every point alike leaves all distances as they were
    torch.manual_seed(0)
    z = torch.randn(32, 1)
    value = Topological()(make_pass(z, lambda z: torch.zeros(len(z), 1, 8, 8) + 0 * z.sum()))
    assert float(value) == 0.0


def test_latents_are_drawn_by_the_weight_norm() -> None:
    torch.manual_seed(0)
    z = torch.randn(64, 4)
    weights = torch.randn(4, 16)
    seen = []

    def decode(z: torch.Tensor) -> torch.Tensor:
        seen.append(z)
        return (z @ weights).reshape(-1, 1, 4, 4)

    p = make_pass(z, decode, norms=torch.tensor([0.0, 0.0, 1.0, 0.0]))
    for _ in range(5):
        Topological()(p)
        rows = seen[-1]
        kept = (rows[:, None, [0, 1, 3]] == z[None][..., [0, 1, 3]]).all(-1).any(1)
        assert kept.all()
        assert not (rows[:, None, 2] == z[None, :, 2]).any()


def test_the_base_decoding_is_used_again() -> None:
    calls = []

    def decode(z: torch.Tensor) -> torch.Tensor:
        calls.append(len(z))
        return z.repeat(1, 4).reshape(len(z), 1, 2, 4)

    torch.manual_seed(0)
    p = make_pass(torch.randn(64, 2), decode)
    calls.clear()
    Topological()(p)
    assert len(calls) == 1
    assert calls[0] < 64
    calls.clear()
    Topological(latents="mean")(p)
    assert len(calls) == 2


def test_scaling_distances_changes_nothing_with_a_quantile_only() -> None:
    torch.manual_seed(0)
    z = torch.randn(32, 2)
    small = make_pass(z, lambda z: 1e-3 * z.repeat(1, 8).reshape(-1, 1, 4, 4))
    smaller = make_pass(z, lambda z: 1e-4 * z.repeat(1, 8).reshape(-1, 1, 4, 4))
    for quantile, same in ((0.9, True), (None, False)):
        values = []
        for p in (small, smaller):
            torch.manual_seed(1)
            values.append(float(Topological(quantile=quantile)(p)))
        assert (abs(values[0] - values[1]) < 0.05 * values[0]) == same


def test_a_batch_with_too_few_valid_points_is_skipped() -> None:
    p = make_pass(torch.randn(3, 2), lambda z: z.reshape(-1, 1, 1, 2))
    with pytest.raises(SkipStep):
        Topological()(p)
    constant = make_pass(torch.ones(32, 2), lambda z: z.reshape(-1, 1, 1, 2))
    with pytest.raises(SkipStep):
        Topological()(constant)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("quantile", [0.9, None])
@pytest.mark.parametrize("max_bars", [3, None])
def test_recorded_all_rows_are_decoded_and_those_that_left_do_not_count(
    power: float, quantile: float | None, max_bars: int | None
) -> None:
    torch.manual_seed(0)
    z = (2 * torch.randn(24, 3, dtype=torch.float64)).requires_grad_()
    mixing = torch.randn(3, 16, dtype=torch.float64)

    def decode(rows: Tensor) -> Tensor:
        decoded.append(len(rows))
        return torch.sin(rows @ mixing).reshape(-1, 1, 4, 4)

    found = []
    for recorder in (None, Reads()):
        decoded: list[int] = []
        torch.manual_seed(2)
        term = Topological(power=power, quantile=quantile, max_bars=max_bars)
        with nullcontext() if recorder is None else recorded_by(recorder):
            value = term(make_pass(z, decode))
        found.append((value, *torch.autograd.grad(value, z)))
        points = term.measurements()["points"]
        assert 16 < points < 24
        assert decoded == [24, points if recorder is None else 24]
    (value, slope), (recorded, other) = found
    assert value > 0.001
    torch.testing.assert_close(recorded, value)
    torch.testing.assert_close(other, slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("z", [torch.randn(3, 2), torch.ones(32, 2)], ids=["few", "constant"])
@pytest.mark.parametrize("quantile", [0.9, None])
def test_recorded_a_batch_with_too_few_valid_points_counts_for_nothing(z: Tensor, quantile: float | None) -> None:
    z = z.clone().requires_grad_()
    objective = Objective(Topological(quantile=quantile))
    p = make_pass(z, lambda z: z.reshape(-1, 1, 1, 2))
    with Reads() as reads, recorded_by(reads):
        part = objective(p, 0)["topological"]
    assert reads.asked == {}
    part.weighted.backward()
    assert float(part.raw.detach()) == 0
    assert z.grad is not None
    assert torch.equal(z.grad, torch.zeros_like(z))
    assert int(objective["topological"].skipped) == 1


def test_the_second_batch_is_used_when_asked_for() -> None:
    torch.manual_seed(0)
    decode = lambda z: z.repeat(1, 8).reshape(-1, 1, 4, 4)  # noqa: E731
    first, second = make_pass(torch.randn(32, 2), decode), make_pass(torch.randn(32, 2), decode)
    term = Topological(batch="second")
    assert "second" in term.needs
    torch.manual_seed(1)
    expected = Topological()(second)
    torch.manual_seed(1)
    assert torch.equal(term(first.replace(second=second)), expected)


@pytest.mark.parametrize(
    "bad",
    [{"shift": 0.5}, {"shift": 0.0}, {"quantile": 0.0}, {"axis": "norm"}, {"routing": "paper"}, {"batch": "both"}],
)
def test_bad_settings_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        Topological(**bad)


def test_a_bound_on_the_deviation_drops_the_points_that_the_shift_throws_far() -> None:
    z = torch.linspace(-2.5, 1.1, 64, dtype=torch.float64)[:, None]
    arguments = torch.tensor([0]), torch.tensor([0.125])
    (free, inside), (bound, kept) = shift_latent(z, *arguments), shift_latent(z, *arguments, 1.5)
    deviation = (free[:, 0] - z.mean()) / z.std()
    assert torch.equal(kept, inside & (deviation <= 1.5))
    assert 0 < kept.sum() < inside.sum()
    assert torch.equal(bound[kept], free[kept])
    assert torch.equal(bound[~kept], z[~kept])
    with pytest.raises(ValueError, match="max_deviation is a positive number"):
        Topological(max_deviation=0.0)
