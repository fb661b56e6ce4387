"""Whatever term is registered keeps these promises; none is named here."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from torch import Tensor, nn

import disent_bench.terms
from disent_bench.bottlenecks.bottleneck import Bottleneck
from disent_bench.forward import Pass
from disent_bench.gradients import accumulate_gradients
from disent_bench.module import DisentModule, Training
from disent_bench.objective import Objective, SkipStep, Term, all_terms
from disent_bench.registry import BOTTLENECKS, TERMS
from disent_bench.signatures import settings_of
from disent_bench.terms import make_term

NAMES = list(TERMS)
SHAPE = (1, 64, 64)
GOLDEN = Path(__file__).with_name("golden_terms.json")


class Fit(Term):
    """Holds the decoder to the data, where the term under test does not."""

    name = "fit"
    needs = frozenset({"decoder"})

    def forward(self, p: Pass) -> Tensor:
        return (p.logits - p.x).square().mean()


def bottleneck_for(term: Term) -> Bottleneck:
    """One that offers what the term needs."""
    built = [entry.factory() for entry in BOTTLENECKS.entries()]
    wanted = {need for need in term.needs if any(need in each.offers for each in built)}
    return next(each for each in built if wanted <= each.offers and not each.needs)


def module_for(term: Term, *others: Term) -> DisentModule:
    torch.manual_seed(0)
    others = (*others, Fit()) if "fitted" in term.needs else others
    data = ("pair",) if "pair" in term.needs else ("second",)
    return DisentModule(
        Objective(term, *others),
        SHAPE,
        n_train=1000,
        training=Training(precision="32"),
        bottleneck=bottleneck_for(term),
        data=data,
    )


def pass_for(module: DisentModule, seed: int = 0, size: int = 24) -> Pass:
    torch.manual_seed(seed)
    images = torch.rand(2, size, *SHAPE).round()
    return module.run_pass(images[0], images[1] if "second" in module.needs else None)


def batch_values(p: Pass) -> dict[str, Tensor]:
    """What a pass over a batch holds for each image, as far as it can be had."""
    found = {key: getattr(p, key, None) for key in ("x", "mean", "logvar", "z", "logits", "continuous", "quantised")}
    return {key: value for key, value in found.items() if value is not None}


def with_values(p: Pass, values: dict[str, Tensor]) -> Pass:
    """The pass with these values in place of its own."""
    return p.replace(rules={**p._rules, **{name: lambda _, value=value: value for name, value in values.items()}})


def _value(module: DisentModule, name: str, p: Pass, seed: int) -> float:
    term = module.objective[name]
    for device in list(term.random._generators):
        term.random._generators[device].manual_seed(seed)
    return term(p).item()


@pytest.mark.parametrize("name", NAMES)
def test_value_is_a_finite_float32_scalar_with_a_gradient(name: str) -> None:
    term = make_term(name)
    module = module_for(term)
    value = term(pass_for(module))
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    value.backward()
    moved = [p for p in module.parameters() if p.grad is not None and p.grad.abs().max() > 0]
    assert moved, "the term moves no parameter"
    assert all(torch.isfinite(p.grad).all() for p in moved)


@pytest.mark.parametrize("name", NAMES)
def test_each_parameter_is_moved_by_the_player_that_owns_it_and_no_other(name: str) -> None:
    module = module_for(make_term(name))
    owners = [id(p) for player in module.players for p in player.own_parameters()]
    own = [p for term in all_terms(module.objective) for p in term.parameters()]
    assert len(owners) == len(set(owners)), "a parameter has two owners"
    assert set(owners) == {id(p) for p in module.parameters()}, "a parameter has no owner"
    for player, optimizer in zip(module.players, module.configure_optimizers(), strict=True):
        before = {id(p): p.detach().clone() for p in module.parameters()}
        for parameter in module.parameters():
            parameter.grad = None
        player.step(pass_for(module), optimizer, step=10**9)
        mine = {id(p) for p in player.own_parameters()}
        touched = {id(p) for p in module.parameters() if p.grad is not None}
        moved = {id(p) for p in module.parameters() if not torch.equal(p, before[id(p)])}
        assert touched <= mine, "gradients reach parameters of another player"
        assert moved <= mine, "the player moves parameters of another"
        assert {id(p) for p in own} & mine <= moved, "a term's own parameter does not train"


@pytest.mark.parametrize("name", NAMES)
def test_moves_says_which_network_the_gradient_reaches(name: str) -> None:
    for moves, still in (("encoder", "decoder"), ("decoder", "encoder")):
        module = module_for(make_term(name, moves=moves))
        others = [term.name for term in module.objective if term.name != name]
        p = pass_for(module)
        parts = {key: part for key, part in module.objective(p, 10**9).items() if key not in others}
        accumulate_gradients(module.objective, parts, module.players[0].networks)
        reached = [q for q in module.players[0].networks.get(still, []) if q.grad is not None and q.grad.any()]
        assert not reached


@pytest.mark.parametrize("name", NAMES)
def test_value_is_unweighted_and_weight_scales_the_contribution(name: str) -> None:
    module = module_for(make_term(name, weight=3.0))
    p = pass_for(module)
    part = module.objective(p)[name]
    torch.testing.assert_close(part.raw, module_for(make_term(name)).objective(p)[name].raw)
    torch.testing.assert_close(part.weighted, 3.0 * part.raw)


@pytest.mark.parametrize("name", NAMES)
def test_value_does_not_depend_on_the_order_of_the_batch(name: str) -> None:
    module = module_for(make_term(name))
    p = pass_for(module)
    module.objective[name](p)  # makes the term's generator, if it draws
    order = torch.randperm(len(p.x), generator=torch.Generator().manual_seed(3))
    shuffled = with_values(p, {key: value[order] for key, value in batch_values(p).items()})
    values = torch.tensor([[_value(module, name, each, seed) for seed in range(60)] for each in (p, shuffled)])
    # equal draw by draw, or, where random numbers belong to images, on average over draws
    error = (values.var(dim=1).sum() / values.shape[1]).sqrt()
    same = torch.isclose(values[0], values[1], rtol=1e-4, atol=1e-4).all()
    assert same or (values[0].mean() - values[1].mean()).abs() < 4 * error


@pytest.mark.parametrize("name", NAMES)
def test_draws_from_its_own_generator_alone_and_saves_it(name: str) -> None:
    module, other = module_for(make_term(name)), module_for(make_term(name))
    p = pass_for(module)
    batch_values(p)
    state = torch.get_rng_state()
    module.objective[name](p)
    assert torch.equal(torch.get_rng_state(), state), "the term draws from torch's own generator"
    other.load_state_dict(module.state_dict())
    assert module.objective[name](p).item() == other.objective[name](p).item(), "its random numbers are not resumed"


@pytest.mark.parametrize("name", NAMES)
def test_waits_for_its_start(name: str) -> None:
    module = module_for(make_term(name, start=10))
    p = pass_for(module)
    assert name not in module.objective(p.replace(step=9))
    assert name in module.objective(p.replace(step=10))


@pytest.mark.parametrize("name", NAMES)
def test_settings_rebuild_the_term(name: str) -> None:
    weight = {"kind": "linear", "first": 0.0, "last": 2.0, "steps": 5}
    term = make_term(name, weight=weight, start=3, moves="encoder")
    again = make_term(name, **term.settings())
    assert again.settings() == term.settings()
    assert (again.start, again.moves, again.settings()["weight"]) == (3, "encoder", weight)
    with pytest.raises(ValueError, match="unknown setting of terms"):
        make_term(name, wieght=1.0)


@pytest.mark.parametrize("name", NAMES)
def test_a_collapsed_batch_gives_a_finite_value_or_is_skipped(name: str) -> None:
    module = module_for(make_term(name))
    p = pass_for(module)
    same = {key: value[:1].expand_as(value) for key, value in batch_values(p).items()}
    try:
        value = module.objective[name](with_values(p, same))
    except SkipStep:
        return
    assert torch.isfinite(value)


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name: str) -> None:
    entry = TERMS[name]
    assert entry.factory.name == name
    assert len(entry.summary) > 20
    # a term of a library names its source; a plug-in need not
    if entry.factory.__module__.startswith("disent_bench."):
        assert entry.paper
        assert len(inspect.getdoc(entry.factory.forward) or "") > 10


def golden_values(name: str) -> dict[str, float]:
    """The term's value as it comes, and with each other choice of a setting."""
    choices = {
        f"{key}={choice}": {key: choice}
        for key, hint in settings_of(TERMS[name].factory).items()
        if get_origin(hint) is Literal and key not in ("moves", "solver")  # neither changes the value
        for choice in get_args(hint)
    }
    return {key: golden_value(name, settings) for key, settings in {"default": {}, **choices}.items()}


def golden_value(name: str, settings: dict[str, Any]) -> float:
    """The term's value in float64 on a fixed smooth autoencoder, which no network's rounding enters."""
    rng = torch.Generator().manual_seed(5)
    maps = [torch.randn(3, 64, generator=rng, dtype=torch.float64) for _ in range(2)]
    x = torch.rand(24, 1, 8, 8, generator=rng, dtype=torch.float64)
    mean = x.flatten(1) @ maps[0].T / 8
    noise = torch.randn(24, 3, generator=rng, dtype=torch.float64)
    given: dict[str, Any] = {
        "decode": lambda z: 2 * (z @ maps[1]).sin().reshape(-1, 1, 8, 8),
        "encode": lambda x: (x.flatten(1) @ maps[0].T / 8, x.flatten(1)[:, :3] - 2),
        "latent_norms": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        "n_train": 1000,
        "step": 0,
    }
    rules = {"continuous": lambda p: p.mean, "quantised": lambda p: p.mean.round()}
    second = Pass(x=x.flip(0), z=mean.flip(0) + 0.1, mean=mean.flip(0), logvar=torch.zeros_like(mean), **given)
    logvar = x.flatten(1)[:, :3] - 2
    p = Pass(x=x, mean=mean, logvar=logvar, z=mean + (0.5 * logvar).exp() * noise, second=second, rules=rules, **given)
    torch.manual_seed(0)
    term = make_term(name, **settings)
    term.setup((1, 8, 8), 3)
    return float(term.double()(p))


@pytest.mark.parametrize("name", [name for name in NAMES if TERMS[name].factory.__module__.startswith("disent_bench.")])
def test_the_value_changes_only_with_the_version(name: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    renew = f"python {Path(__file__).name} --renew writes the values anew"
    assert name in golden, f"term {name} has no golden value; {renew}"
    assert TERMS[name].version == golden[name]["version"], f"the version of {name} was raised; {renew}"
    assert golden_values(name) == pytest.approx(golden[name]["values"], rel=1e-7, abs=1e-12), (
        f"term {name} gives another value than version {TERMS[name].version} did: raise its version, say so in "
        f"docs/numbers.md; {renew}"
    )


def test_a_parameter_made_in_the_constructor_is_refused() -> None:
    assert not [p for name in NAMES for p in make_term(name).parameters()], "parameters are made in setup()"
    assert isinstance(disent_bench.terms.make_term(NAMES[0]), nn.Module)


if __name__ == "__main__" and "--renew" in sys.argv:
    values = {name: {"version": TERMS[name].version, "values": golden_values(name)} for name in sorted(NAMES)}
    GOLDEN.write_text(json.dumps(values, indent=2) + "\n")
