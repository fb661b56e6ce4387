"""Whatever term is registered keeps these promises; none is named here."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import torch

from disent_bench.forward import Pass
from disent_bench.module import DisentModule, Training
from disent_bench.objective import Objective, SkipStep, Term, make_term
from disent_bench.registry import TERMS

NAMES = list(TERMS)
SHAPE = (1, 64, 64)


def module_for(term: Term) -> DisentModule:
    torch.manual_seed(0)
    return DisentModule(Objective(term), SHAPE, n_train=1000, training=Training(precision="32"))


def pass_for(module: DisentModule, seed: int = 0, size: int = 24) -> Pass:
    torch.manual_seed(seed)
    images = torch.rand(2, size, *SHAPE).round()
    return module.run_pass(images[0], images[1] if "second" in module.objective.needs else None)


def batch_fields(p: Pass) -> dict[str, torch.Tensor]:
    fields = {key: getattr(p, key) for key in ("x", "mean", "logvar", "z", "logits")}
    return {key: value for key, value in fields.items() if value is not None}


def _value(module: DisentModule, name: str, p: Pass, seed: int) -> float:
    torch.manual_seed(seed)
    return module.objective[name](p).item()


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
def test_value_is_unweighted_and_weight_scales_the_contribution(name: str) -> None:
    module = module_for(make_term(name, weight=3.0))
    p = pass_for(module)
    torch.manual_seed(1)
    part = module.objective(p)[name]
    torch.manual_seed(1)
    unweighted = make_term(name)(p)
    torch.testing.assert_close(part.raw, unweighted)
    torch.testing.assert_close(part.weighted, 3.0 * part.raw)


@pytest.mark.parametrize("name", NAMES)
def test_value_does_not_depend_on_the_order_of_the_batch(name: str) -> None:
    module = module_for(make_term(name))
    p = pass_for(module)
    order = torch.randperm(len(p.x), generator=torch.Generator().manual_seed(3))
    shuffled = dataclasses.replace(p, **{key: value[order] for key, value in batch_fields(p).items()})
    values = torch.tensor([[_value(module, name, each, seed) for seed in range(60)] for each in (p, shuffled)])
    # equal draw by draw, or, where random numbers belong to images, on average over draws
    error = (values.var(dim=1).sum() / values.shape[1]).sqrt()
    same = torch.isclose(values[0], values[1], rtol=1e-4, atol=1e-4).all()
    assert same or (values[0].mean() - values[1].mean()).abs() < 4 * error


@pytest.mark.parametrize("name", NAMES)
def test_waits_for_its_start(name: str) -> None:
    module = module_for(make_term(name, start=10))
    p = pass_for(module)
    assert name not in module.objective(dataclasses.replace(p, step=9))
    assert name in module.objective(dataclasses.replace(p, step=10))


@pytest.mark.parametrize("name", NAMES)
def test_settings_rebuild_the_term(name: str) -> None:
    term = make_term(name, weight={"kind": "linear", "first": 0.0, "last": 2.0, "steps": 5}, start=3)
    again = make_term(name, **term.settings())
    assert again.settings() == term.settings()
    assert again.start == 3
    assert term.with_settings({"weight": 4.0}).settings()["weight"] == 4.0
    with pytest.raises(ValueError, match="unknown setting"):
        term.with_settings({"wieght": 1.0})


@pytest.mark.parametrize("name", NAMES)
def test_a_collapsed_batch_gives_a_finite_value_or_is_skipped(name: str) -> None:
    module = module_for(make_term(name))
    p = pass_for(module)
    same = {key: value[:1].expand_as(value) for key, value in batch_fields(p).items()}
    try:
        value = module.objective[name](dataclasses.replace(p, **same))
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
