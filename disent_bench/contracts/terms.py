"""What every term promises."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from disent_bench.bottlenecks.bottleneck import Bottleneck
from disent_bench.contracts.contract import contract, require
from disent_bench.forward import Pass
from disent_bench.gradients import accumulate_gradients
from disent_bench.module import DisentModule, Training
from disent_bench.objective import Objective, SkipStep, Term, all_terms
from disent_bench.registry import BOTTLENECKS, TERMS
from disent_bench.terms import make_term

SHAPE = (1, 64, 64)
LAST = 10**9
"""A step at which every term has started."""


class Fit(Term):
    """Holds the decoder to the data, where the term under test does not."""

    name = "fit"
    needs = frozenset({"decoder"})

    def forward(self, p: Pass) -> Tensor:  # noqa: D102
        return (p.logits - p.x).square().mean()


def module_for(term: Term) -> DisentModule:
    """Return a module of a term, and of one that holds its decoder to the data where it needs that."""
    torch.manual_seed(0)
    others = (Fit(),) if "fitted" in term.needs else ()
    data = ("pair",) if "pair" in term.needs else ("second",)
    return DisentModule(
        Objective(term, *others),
        SHAPE,
        n_train=1000,
        training=Training(precision="32"),
        bottleneck=_bottleneck_for(term),
        data=data,
    )


def pass_for(module: DisentModule, seed: int = 0, size: int = 24) -> Pass:
    """Return a pass over random images."""
    torch.manual_seed(seed)
    images = torch.rand(2, size, *SHAPE).round()
    return module.run_pass(images[0], images[1] if "second" in module.needs else None)


def batch_values(p: Pass) -> dict[str, Tensor]:
    """Return what a pass over a batch holds for each image, as far as it can be had."""
    names = ("x", "mean", "logvar", "z", "logits", "continuous", "quantised")
    return {name: value for name in names if (value := getattr(p, name, None)) is not None}


def with_values(p: Pass, values: Mapping[str, Tensor]) -> Pass:
    """Return the pass with these values in place of its own."""
    return p.replace(rules={**p._rules, **{name: lambda _, value=value: value for name, value in values.items()}})


@contract("term")
def says_what_it_is(name: str) -> None:
    """It has a docstring of more than a word."""
    entry = TERMS[name]
    require(len(entry.summary) > 20, f"its docstring begins with '{entry.summary}', which says little")
    require(getattr(entry.factory, "name", "") == name, "its name is not the one it is registered by")


@contract("term")
def value_is_a_finite_float32_scalar_with_a_gradient(name: str) -> None:
    """Its value is a finite scalar in float32 and moves some parameter."""
    module = module_for(make_term(name))
    value = module.objective[name](pass_for(module))
    require(isinstance(value, Tensor), f"forward returns {type(value).__name__}, not a tensor")
    require(value.shape == () and value.dtype == torch.float32, f"its value is {value.dtype} {tuple(value.shape)}")
    require(torch.isfinite(value), f"its value is {value.item()}")
    require(value.requires_grad, "its value has no gradient")
    value.backward()
    moved = [p for p in module.parameters() if p.grad is not None and p.grad.abs().max() > 0]
    require(moved, "it moves no parameter")
    require(all(torch.isfinite(p.grad).all() for p in moved if p.grad is not None), "its gradient is not finite")


@contract("term")
def each_parameter_is_moved_by_the_player_that_owns_it(name: str) -> None:
    """Each parameter is moved by the player that owns it, and by no other."""
    module = module_for(make_term(name))
    owners = [id(p) for player in module.players for p in player.own_parameters()]
    own = {id(p) for term in all_terms(module.objective) for p in term.parameters()}
    require(len(owners) == len(set(owners)), "a parameter has two owners")
    require(set(owners) == {id(p) for p in module.parameters()}, "a parameter has no owner")
    for player, optimizer in zip(module.players, module.configure_optimizers(), strict=True):
        before = {id(p): p.detach().clone() for p in module.parameters()}
        for parameter in module.parameters():
            parameter.grad = None
        player.step(pass_for(module), optimizer, step=LAST)
        mine = {id(p) for p in player.own_parameters()}
        touched = {id(p) for p in module.parameters() if p.grad is not None}
        moved = {id(p) for p in module.parameters() if not torch.equal(p, before[id(p)])}
        require(touched <= mine, "gradients reach parameters of another player")
        require(moved <= mine, "a player moves parameters of another")
        require(own & mine <= moved, "a parameter of its own does not train")


@contract("term")
def moves_says_which_network_the_gradient_reaches(name: str) -> None:
    """With moves=encoder or moves=decoder its gradient reaches no other network."""
    for moves, still in (("encoder", "decoder"), ("decoder", "encoder")):
        module = module_for(make_term(name, moves=moves))
        others = [term.name for term in module.objective if term.name != name]
        parts = {key: part for key, part in module.objective(pass_for(module), LAST).items() if key not in others}
        accumulate_gradients(module.objective, parts, module.players[0].networks)
        kept = module.players[0].networks.get(still, [])
        require(not any(q.grad is not None and q.grad.any() for q in kept), f"moves={moves} reaches the {still}")


@contract("term")
def value_is_unweighted(name: str) -> None:
    """Its value is unweighted, and its weight scales what it adds to the loss."""
    module = module_for(make_term(name, weight=3.0))
    part = module.objective(pass_for(module))[name]
    alone = module_for(make_term(name))
    raw = alone.objective(pass_for(alone))[name].raw
    require(torch.allclose(part.raw, raw, rtol=1e-5, atol=1e-6), "its value depends on its weight")
    require(torch.allclose(part.weighted, 3.0 * part.raw), "its weight of 3 does not weigh it thrice")


@contract("term")
def value_does_not_depend_on_the_order_of_the_batch(name: str) -> None:
    """Its value does not depend on the order of the images."""
    module = module_for(make_term(name))
    p = pass_for(module)
    module.objective[name](p)  # makes the term's generator, if it draws
    order = torch.randperm(len(p.x), generator=torch.Generator().manual_seed(3))
    shuffled = with_values(p, {key: value[order] for key, value in batch_values(p).items()})
    values = torch.tensor([[_value(module, name, each, seed) for seed in range(60)] for each in (p, shuffled)])
    # equal draw by draw, or, where random numbers belong to images, on average over draws
    error = (values.var(dim=1).sum() / values.shape[1]).sqrt()
    same = torch.isclose(values[0], values[1], rtol=1e-4, atol=1e-4).all()
    means = [float(each) for each in values.mean(dim=1)]
    require(
        same or abs(means[0] - means[1]) < 4 * error, f"it is {means[0]:.6g} in one order, {means[1]:.6g} in another"
    )


@contract("term")
def draws_from_its_own_generator_alone_and_saves_it(name: str) -> None:
    """Its random numbers come from its own generator and are resumed with the run."""
    module, other = module_for(make_term(name)), module_for(make_term(name))
    p = pass_for(module)
    batch_values(p)
    state = torch.get_rng_state()
    module.objective[name](p)
    require(torch.equal(torch.get_rng_state(), state), "it draws from torch's generator, not self.generator(device)")
    other.load_state_dict(module.state_dict())
    require(module.objective[name](p).item() == other.objective[name](p).item(), "its random numbers are not resumed")


@contract("term")
def waits_for_its_start(name: str) -> None:
    """It waits for its start."""
    module = module_for(make_term(name, start=10))
    p = pass_for(module)
    require(name not in module.objective(p.replace(step=9)), "it is there a step before its start")
    require(name in module.objective(p.replace(step=10)), "it is not there at its start")


@contract("term")
def settings_rebuild_it(name: str) -> None:
    """Its settings rebuild it, and an unknown one is refused."""
    weight = {"kind": "linear", "first": 0.0, "last": 2.0, "steps": 5}
    term = make_term(name, weight=weight, start=3, moves="encoder")
    again = make_term(name, **term.settings())
    require(again.settings() == term.settings(), "a term built from its settings has others")
    kept = (again.start, again.moves, again.settings()["weight"]) == (3, "encoder", weight)
    require(kept, "start, moves or weight is not kept; pass **options on to Term")
    try:
        make_term(name, wieght=1.0)
    except ValueError:
        return
    require(False, "it takes a setting that it does not have")


@contract("term")
def a_collapsed_batch_is_survived(name: str) -> None:
    """A batch of equal images gives a finite value, or the step is skipped."""
    module = module_for(make_term(name))
    p = pass_for(module)
    same = {key: value[:1].expand_as(value) for key, value in batch_values(p).items()}
    try:
        value = module.objective[name](with_values(p, same))
    except SkipStep:
        return
    require(torch.isfinite(value), f"its value is {value.item()}")


@contract("term")
def parameters_are_made_in_setup(name: str) -> None:
    """Parameters of its own are made in setup(), not in the constructor."""
    term = make_term(name)
    require(isinstance(term, nn.Module) and not [*term.parameters()], "a parameter is made before the networks are")


def _bottleneck_for(term: Term) -> Bottleneck:
    """One that offers what the term needs."""
    built = sorted((entry.factory() for entry in BOTTLENECKS.entries()), key=lambda each: each.name != "gaussian")
    wanted = {need for need in term.needs if any(need in each.offers for each in built)}
    found: Bottleneck = next(each for each in built if wanted <= each.offers and not each.needs)
    return found


def _value(module: DisentModule, name: str, p: Pass, seed: int) -> float:
    term = module.objective[name]
    for device in list(term.random._generators):
        term.random._generators[device].manual_seed(seed)
    value: float = term(p).item()
    return value
