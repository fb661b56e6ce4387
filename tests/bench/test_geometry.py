from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import disent_bench.methods  # noqa: F401 (importing registers)
from disent_bench.bottlenecks.gaussian import Gaussian
from disent_bench.config.resolve import resolve
from disent_bench.contracts.methods import Reads
from disent_bench.forward import MissingError, Pass
from disent_bench.functional.costs import COSTS, cost_matrix
from disent_bench.functional.gromov_wasserstein import distortion, gromov_monge_gap
from disent_bench.host import recorded_by
from disent_bench.module import DisentModule
from disent_bench.objective import Objective, Term
from disent_bench.players import check_needs
from disent_bench.runs.model import build_module
from disent_bench.streams import seed_for
from disent_bench.terms import Distortion, GromovMonge, Hausdorff, Isometry, Spread

GEOMETRIC = (GromovMonge, Distortion)
WEIGHTS = torch.randn(3, 16, generator=torch.Generator().manual_seed(7))


def decode(z: Tensor) -> Tensor:
    return 2 * (z @ WEIGHTS).sin().reshape(-1, 1, 4, 4)


def make_pass(n: int = 16, seed: int = 0) -> Pass:
    rng = torch.Generator().manual_seed(seed)
    mean, z = torch.randn(2, n, 3, generator=rng)
    x = torch.rand(n, 1, 4, 4, generator=rng)
    return Pass(
        x=x,
        mean=mean,
        logvar=torch.zeros_like(mean),
        z=z,
        logits=decode(z),
        decode=decode,
        encode=lambda x: (x, x),
        latent_norms=torch.ones(3),
        step=0,
        n_train=100,
    )


def value(term: Term, p: Pass, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return term(p)


def expected(kind: type[Term], x: Tensor, y: Tensor, cost: str = "cosine") -> Tensor:
    x, y = x.flatten(1), y.flatten(1)
    if kind is Distortion:
        return distortion(cost_matrix(x, cost), cost_matrix(y, cost))
    return gromov_monge_gap(x, y, cost=cost)


@pytest.mark.parametrize("kind", GEOMETRIC)
def test_side_latents_and_pixels_choose_the_points(kind: type[Term]) -> None:
    p = make_pass()
    cases: list[tuple[dict[str, Any], Tensor, Tensor]] = [
        ({}, p.z, p.logits.sigmoid()),
        ({"pixels": "logit"}, p.z, p.logits),
        ({"latents": "mean"}, p.mean, decode(p.mean).sigmoid()),
        ({"side": "encoder"}, p.x, p.z),
        ({"side": "encoder", "latents": "mean"}, p.x, p.mean),
        ({"cost": "sqeuclidean"}, p.z, p.logits.sigmoid()),
    ]
    values = []
    for options, x, y in cases:
        values.append(value(kind(**options), p))
        torch.testing.assert_close(values[-1], expected(kind, x, y, options.get("cost", "cosine")))
    assert len({round(float(each), 6) for each in values}) == len(cases), "every option matters"


@pytest.mark.parametrize("kind", GEOMETRIC)
@pytest.mark.parametrize("side", ["decoder", "encoder"])
def test_gradient_reaches_the_image_of_the_map(kind: type[Term], side: str) -> None:
    p = make_pass()
    z = p.z.clone().requires_grad_()
    logits = decode(p.z).requires_grad_()
    value(kind(side=side), p.replace(z=z, logits=logits)).backward()
    image = logits if side == "decoder" else z
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert (logits.grad is None) == (side == "encoder")


@pytest.mark.parametrize("kind", GEOMETRIC)
@pytest.mark.parametrize("options", [{}, {"side": "encoder"}, {"latents": "mean"}])
def test_subset_is_drawn_at_random_and_keeps_points_matched(kind: type[Term], options: dict[str, Any]) -> None:
    p = make_pass()
    whole = kind(**options)
    values = [float(value(kind(subset=5, **options), p, seed)) for seed in range(4)]
    assert len(set(values)) > 1
    torch.testing.assert_close(value(kind(subset=16, **options), p), value(whole, p))
    torch.manual_seed(2)
    rows = torch.randperm(16, generator=torch.Generator().manual_seed(seed_for(f"term {kind.name}")))[:5]
    few = p.replace(x=p.x[rows], mean=p.mean[rows], z=p.z[rows], logits=p.logits[rows])
    assert values[2] == pytest.approx(float(value(whole, few)), rel=1e-4, abs=1e-6)


def test_scale_matters_to_the_scaled_cost_only() -> None:
    p = make_pass()
    for cost, same in (("scaled_sqeuclidean", False), ("sqeuclidean", True), ("cosine", True)):
        for kind in GEOMETRIC:
            a, b = (float(value(kind(cost=cost, scale=scale), p)) for scale in ("mean", "max"))
            assert (a == b) == same, (cost, kind)


def test_options_of_the_solver_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def record(x: Tensor, y: Tensor, **options: Any) -> Tensor:
        seen.update(options)
        return x.sum()

    monkeypatch.setattr("disent_bench.terms.gromov_monge.gromov_monge_gap", record)
    options = {"epsilon": 0.3, "epsilon_statistic": "std", "init": "product", "solver": "torch"}
    GromovMonge(**options, cost="scaled_sqeuclidean", scale="max")(make_pass())
    assert seen == {**options, "value": "bounded", "cost": "scaled_sqeuclidean", "scale": "max"}
    seen.clear()
    GromovMonge(value="debiased")(make_pass())
    assert seen["value"] == "debiased"


def test_gap_lies_between_zero_and_the_distortion() -> None:
    for seed in range(3):
        p = make_pass(seed=seed)
        gap = float(value(GromovMonge(), p))
        assert -1e-6 <= gap <= float(value(Distortion(), p)) + 1e-6


def test_gap_forgives_a_change_of_scale_but_no_disorder_and_distortion_neither() -> None:
    p = make_pass()
    x = p.x.flatten(1)[:, :3]
    larger = p.replace(x=x, z=4 * x)
    options = {"side": "encoder", "cost": "sqeuclidean"}
    assert float(value(GromovMonge(**options), larger)) == pytest.approx(0, abs=1e-5)
    assert float(value(Distortion(**options), larger)) > 0.1
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    shuffled = larger.replace(z=larger.z[order])
    assert float(value(GromovMonge(**options), shuffled)) > 0.1


@pytest.mark.parametrize("kind", GEOMETRIC)
@pytest.mark.parametrize("side", ["decoder", "encoder"])
def test_a_batch_without_variance_is_skipped_and_counted(kind: type[Term], side: str) -> None:
    p = make_pass()
    broken = [
        p.replace(z=p.z[:1].expand(16, -1)),
        p.replace(logits=p.logits[:1].expand(16, -1, -1, -1))
        if side == "decoder"
        else p.replace(x=p.x[:1].expand(16, -1, -1, -1)),
        p.replace(z=p.z * float("nan")),
    ]
    objective = Objective(kind(side=side), Spread())
    for count, each in enumerate(broken, start=1):
        assert set(objective(each)) == {"spread"}
        assert int(objective[kind.name].skipped) == count
    assert set(objective(p)) == {"spread", kind.name}
    assert int(objective[kind.name].skipped) == len(broken)


@pytest.mark.parametrize("kind", GEOMETRIC)
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("broken", ["constant", "infinite"])
def test_recorded_a_batch_without_variance_counts_for_nothing(kind: type[Term], cost: str, broken: str) -> None:
    p = make_pass()
    z = (p.z[:1].repeat(16, 1) if broken == "constant" else p.z * float("inf")).requires_grad_()
    objective = Objective(kind(cost=cost))
    with Reads() as reads, recorded_by(reads):
        left_out, taken = (objective(each, 0)[kind.name] for each in (p.replace(z=z), p))
    assert reads.asked == {}
    assert int(objective[kind.name].skipped) == 1
    assert torch.equal(taken.raw, kind(cost=cost)(p))
    left_out.weighted.backward()
    assert float(left_out.raw.detach()) == 0
    assert z.grad is not None
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_gap_measures_the_time_of_its_solver() -> None:
    term = GromovMonge()
    assert term.measurements() == {}
    term(make_pass())
    assert term.measurements()["solver_ms"] > 0


def test_spread_is_a_hinge_on_each_latents_deviation() -> None:
    p = make_pass()
    unit = (p.mean - p.mean.mean(0)) / p.mean.std(0, correction=0)
    term = Spread()
    for factors, hinge, smallest in (
        ([1.0, 2.0, 3.0], 0.0, 1.0),
        ([0.25, 2.0, 0.5], 1.25, 0.25),
        ([0.0, 1.0, 1.0], 1.0, 0.0),
    ):
        found = term(p.replace(mean=unit * torch.tensor(factors)))
        assert float(found) == pytest.approx(hinge, abs=1e-5)
        assert term.measurements()["smallest_std"] == pytest.approx(smallest, abs=1e-5)


@pytest.mark.parametrize(("scales", "least"), [([1.0, 1.0, 1.0], 1 / 3), ([1.0, 0.0, 0.0], 1.0)])
def test_isometry_of_an_orthogonal_and_of_a_flat_decoder(scales: list[float], least: float) -> None:
    # near logit 0 the probability has slope 1/4 everywhere, which the ratio of traces does not see
    frame = torch.linalg.qr(torch.randn(16, 3, generator=torch.Generator().manual_seed(0)))[0].T
    linear = 1e-3 * torch.tensor(scales)[:, None] * frame
    p = make_pass(n=64).replace(decode=lambda z: (z @ linear).reshape(-1, 1, 4, 4))
    assert float(value(Isometry(num_probes=400, subset=64), p)) == pytest.approx(least, rel=0.15)


@pytest.mark.parametrize(("scales", "least"), [([1.0, 1.0, 1.0], 1 / 3), ([1.0, 0.0, 0.0], 1.0)])
def test_isometry_of_an_orthogonal_and_of_a_flat_encoder(scales: list[float], least: float) -> None:
    frame = torch.linalg.qr(torch.randn(16, 3, generator=torch.Generator().manual_seed(0)))[0]
    linear = 1e-3 * torch.tensor(scales) * frame
    p = make_pass(n=64).replace(encode=lambda x: (x.flatten(1) @ linear, x.flatten(1).exp()))
    found = value(Isometry(side="encoder", num_probes=400, subset=64), p)
    assert float(found) == pytest.approx(least, rel=0.15)


def test_isometry_looks_at_a_subset_of_its_side() -> None:
    sizes: dict[str, list[int]] = {"decoder": [], "encoder": []}

    def decoded(z: Tensor) -> Tensor:
        sizes["decoder"].append(len(z))
        return decode(z)

    def encoded(x: Tensor) -> tuple[Tensor, Tensor]:
        sizes["encoder"].append(len(x))
        return (x.flatten(1) @ WEIGHTS.T).sin(), x

    p = make_pass().replace(decode=decoded, encode=encoded)
    value(Isometry(subset=5), p)
    assert set(sizes["decoder"]) == {5}
    assert not sizes["encoder"]
    sizes["decoder"].clear()
    value(Isometry(subset=7, side="encoder"), p)
    assert set(sizes["encoder"]) == {7}
    assert not sizes["decoder"]


def test_isometry_of_the_encoder_trains_the_encoder_alone() -> None:
    torch.manual_seed(0)
    module = module_of("jacobian", **{"methods.jacobian.side": "encoder"})
    module.objective["isometry"](module.run_pass(torch.rand(16, 1, 64, 64))).backward()
    assert module.decoder is not None
    assert all(p.grad is None for p in module.decoder.parameters())
    weights = [p.grad for name, p in module.encoder.named_parameters() if name.endswith("features.0.weight")]
    assert weights[0] is not None
    assert weights[0].abs().max() > 0


def test_hausdorff_reads_means_and_its_pairs() -> None:
    p = make_pass(n=64)
    first = value(Hausdorff(num_pairs=3), p)
    assert torch.equal(first, value(Hausdorff(num_pairs=3), p.replace(z=2 * p.z)))
    assert float(value(Hausdorff(num_pairs=1), p)) < float(first)


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        *((kind, {"side": "both"}) for kind in GEOMETRIC),
        *((kind, {"cost": "l2"}) for kind in GEOMETRIC),
        *((kind, {"scale": "median"}) for kind in GEOMETRIC),
        *((kind, {"latents": "noise"}) for kind in GEOMETRIC),
        *((kind, {"pixels": "bytes"}) for kind in GEOMETRIC),
        *((kind, {"subset": 1}) for kind in GEOMETRIC),
        (GromovMonge, {"epsilon": 0.0}),
        (GromovMonge, {"epsilon": float("inf")}),
        (GromovMonge, {"epsilon_statistic": "median"}),
        (GromovMonge, {"init": "random"}),
        (GromovMonge, {"solver": "ott"}),
        (Isometry, {"side": "both"}),
        (Isometry, {"num_probes": 0}),
        (Isometry, {"subset": 0}),
        (Hausdorff, {"num_pairs": 0}),
    ],
)
def test_bad_settings_are_refused(kind: type[Term], bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        kind(**bad)


def module_of(method: str, **overrides: Any) -> DisentModule:
    config = resolve(method, "toy_grid", "quick", overrides={"precision": "32", **overrides})
    module = build_module(config, (1, 64, 64), 1000)
    assert isinstance(module, DisentModule)
    return module


def test_decoder_free_has_no_decoder_and_measures_its_guard() -> None:
    torch.manual_seed(0)
    module = module_of("gmg_decoder_free")
    assert module.decoder is None
    assert set(module.objective.settings()) == {"kl", "total_correlation", "gromov_monge", "spread"}
    p = module.run_pass(torch.rand(16, 1, 64, 64))
    with pytest.raises(MissingError, match="no 'decode'"):
        p.logits  # noqa: B018
    parts = module.objective(p)
    assert set(parts) == set(module.objective.settings())
    assert 0 <= module.objective["spread"].measurements()["smallest_std"] < 1
    assert parts["spread"].raw.item() > 0, "an untrained encoder is narrower than the prior"


def test_decoder_free_takes_the_hausdorff_term_when_asked() -> None:
    module = module_of("gmg_decoder_free", **{"methods.gmg_decoder_free.hfs": 2.0})
    assert module.objective["hausdorff"].settings()["weight"] == 2.0
    assert module.decoder is None


@pytest.mark.parametrize(("other", "why"), [("topdis", "'reconstruction', which is not in"), ("gmg", "appears twice")])
def test_decoder_free_refuses_what_leans_on_reconstruction_or_is_there_already(other: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        resolve(f"gmg_decoder_free+{other}", "toy_grid", "quick")


@pytest.mark.parametrize(("regulariser", "term"), [("dst", "distortion"), ("jacobian", "isometry")])
def test_a_decoder_that_nothing_fits_is_refused_and_the_encoder_side_is_not(regulariser: str, term: str) -> None:
    method = f"gmg_decoder_free+{regulariser}"
    with pytest.raises(ValueError, match=f"no term fits the decoder that '{term}' would shape; take a base with a rec"):
        module_of(method)
    for key in (f"methods.{regulariser}.side", f"terms.{term}.side"):
        assert module_of(method, **{key: "encoder"}).decoder is None


def test_any_term_of_ones_own_that_reads_the_decoder_counts_as_fitting_it() -> None:
    class SquaredError(Term):
        name = "squared_error"
        needs = frozenset({"decoder"})

    def check(*terms: Term) -> None:
        check_needs(Objective(*terms), Gaussian(), {"decoder"})

    with pytest.raises(ValueError, match="no term fits"):
        check(Distortion(), Spread())
    check(Distortion(), Spread(), SquaredError())
    check(Spread())


@pytest.mark.parametrize("regulariser", ["gmg", "dst", "jacobian", "hfs"])
def test_the_side_decides_whether_a_decoder_is_needed(regulariser: str) -> None:
    needs = {"gmg": True, "dst": True, "jacobian": True, "hfs": False}
    term = resolve(regulariser, "toy_grid", "quick").model().objective
    own = [each for each in term if each.name in ("gromov_monge", "distortion", "isometry", "hausdorff")]
    assert [("decoder" in each.needs) for each in own] == [needs[regulariser]]
    if regulariser in ("gmg", "dst", "jacobian"):
        name = own[0].name
        other = resolve(regulariser, "toy_grid", "quick", overrides={f"methods.{regulariser}.side": "encoder"})
        assert "decoder" not in other.model().objective[name].needs


def test_hfs_stands_on_beta_vae_and_gmg_on_beta_tcvae() -> None:
    assert list(resolve("hfs", "toy_grid", "quick").methods) == ["beta_vae", "hfs"]
    assert list(resolve("hfs+gmg", "toy_grid", "quick").methods) == ["beta_vae", "gmg", "hfs"]
    assert list(resolve("gmg", "toy_grid", "quick").methods) == ["beta_tcvae", "gmg"]
    assert list(resolve("beta_tcvae+hfs", "toy_grid", "quick").methods) == ["beta_tcvae", "hfs"]
