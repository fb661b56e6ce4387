"""Whatever regulariser is registered fits any base; none is named here."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from disent_bench.config.method import is_module, is_regulariser
from disent_bench.config.resolve import resolve
from disent_bench.contracts.methods import short
from disent_bench.module import DisentModule
from disent_bench.objective import all_terms
from disent_bench.parts import ROWS
from disent_bench.registry import METHODS
from disent_bench.runs.model import build_module

NAMES = list(METHODS)
BASES = [name for name in NAMES if not is_regulariser(name) and not is_module(name)]
REGULARISERS = [name for name in NAMES if is_regulariser(name)]


def refusal(method: str) -> str | None:
    """Why the configuration of a sum is refused, or None."""
    try:
        build_module(short(method), (1, 64, 64), 1000)
    except ValueError as error:
        return str(error)
    return None


def bases() -> list[Any]:
    """All bases; those built as an earlier one is (bottleneck, opponents, decoder) are left to the slow tests."""
    seen, found = set(), []
    for name in BASES:
        model = resolve(name, "toy_grid", "quick").model()
        needs = frozenset().union(*(term.needs for term in all_terms(model.objective)))
        kind = (model.bottleneck.name, bool(model.objective.opponents()), "decoder" in needs)
        found.append(pytest.param(name, marks=[pytest.mark.slow] if kind in seen else []))
        seen.add(kind)
    return found


@pytest.mark.parametrize("regulariser", REGULARISERS)
@pytest.mark.parametrize("base", bases())
def test_any_regulariser_fits_any_base_or_says_why_not(base: str, regulariser: str) -> None:
    own = set(resolve(base, "toy_grid", "quick").terms)
    reason = refusal(f"{regulariser}+{base}")
    if reason is not None:  # the sum lacks what the regulariser leans on, or has its term already
        known = ("which is not in the objective", "appears twice", "no term fits the decoder", "a Gaussian posterior")
        assert any(each in reason for each in known), reason
        return
    config = short(f"{regulariser}+{base}")
    assert config.method == f"{base}+{regulariser}"
    assert own < set(config.terms)
    torch.manual_seed(0)
    module = build_module(config, (1, 64, 64), 1000)
    assert isinstance(module, DisentModule)
    module.step = 1
    images = torch.rand(2, 16, 1, 64, 64).round()
    played = module.play(module.run_pass(images[0], images[1]), module.configure_optimizers())
    # untrained latents that take one value each cannot be traversed, nor compared
    skipped = set() if "posterior" in module.bottleneck.offers else set(module.skipped())
    assert set().union(*(each.parts for each in played)) == set(config.terms) - skipped
    assert all(torch.isfinite(each.grad).all() for each in module.parameters() if each.grad is not None)


@pytest.mark.parametrize("name", [n for n in NAMES if METHODS[n].factory.__module__.startswith("disent_bench.")])
def test_a_method_of_the_library_names_its_source(name: str) -> None:
    assert METHODS[name].paper


@pytest.mark.parametrize("name", [name for name in NAMES if not is_module(name)])
def test_a_step_gives_the_same_weights_on_any_number_of_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole: list[bool] = []
    active = torch._C._are_functorch_transforms_active
    monkeypatch.setattr(torch._C, "_are_functorch_transforms_active", lambda: whole.append(active()) or whole[-1])
    torch.manual_seed(3)
    images = torch.rand(2, 2 * ROWS, 1, 64, 64).round()
    config, before, weights = short(name), torch.get_num_threads(), []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        module = build_module(config, (1, 64, 64), 1000)
        assert isinstance(module, DisentModule)
        module.step = 1
        torch.manual_seed(0)
        second = images[1] if module.needs & {"second", "pair"} else None
        module.play(module.run_pass(images[0], second), module.configure_optimizers())
        assert torch.get_num_threads() == threads
        weights.append([each.detach().clone() for each in module.parameters()])
    torch.set_num_threads(before)
    assert whole, "batches come to be computed in parts"
    # what torch.func differentiates is computed by torch's threads, which sum in another order
    exact = 0.0 if not any(whole) else 1e-2
    for others in weights[1:]:
        for mine, other in zip(weights[0], others, strict=True):
            torch.testing.assert_close(mine, other, rtol=exact, atol=exact)
