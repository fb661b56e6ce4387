"""How long a term's gradient is beside the reconstruction's, measured, logged and held."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from disent_bench.config.resolve import resolve
from disent_bench.module import DisentModule
from disent_bench.objective import Objective
from disent_bench.runs.model import build_module
from disent_bench.terms import make_term
from disent_bench.weights import Share, make_weight


def module_of(*terms: Any, **options: Any) -> DisentModule:
    torch.manual_seed(0)
    return DisentModule(Objective(*terms), (1, 64, 64), 1000, log_every=2, **options)


def images() -> Tensor:
    return torch.rand(8, 1, 64, 64, generator=torch.Generator().manual_seed(1)).round()


def by_hand(module: DisentModule, name: str, seed: int) -> float:
    torch.manual_seed(seed)
    parts = module.objective(module.run_pass(images()))
    norms = []
    for each in (name, "reconstruction"):
        gradients = torch.autograd.grad(
            parts[each].weighted, [*module.parameters()], retain_graph=True, allow_unused=True, materialize_grads=True
        )
        norms.append(torch.cat([g.flatten() for g in gradients]).norm())
    return float(norms[0] / norms[1])


def test_shares_are_measured_at_logged_steps_and_disturb_nothing() -> None:
    module = module_of(make_term("reconstruction"), make_term("kl", weight=4.0), gradient_shares=True)
    plain = module_of(make_term("reconstruction"), make_term("kl", weight=4.0))
    optimizers = module.configure_optimizers(), plain.configure_optimizers()
    found = []
    for step in range(4):
        expected = by_hand(module, "kl", step)
        for each, optimizer in zip((module, plain), optimizers, strict=True):
            torch.manual_seed(step)
            each.play(each.run_pass(images()), optimizer)
        found.append(float(module.last.get("kl/gradient_share", 0.0)))
        if found[-1]:
            assert found[-1] == pytest.approx(expected, rel=1e-5)
    assert [share > 0 for share in found] == [False, True, False, True]
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), plain.parameters(), strict=True))


def test_a_term_without_a_reconstruction_has_no_share() -> None:
    module = module_of(make_term("kl"), make_term("spread"), gradient_shares=True)
    optimizers = module.configure_optimizers()
    for _ in range(2):
        module.play(module.run_pass(images()), optimizers)
    assert not any("gradient_share" in name for name in module.last)


def test_a_share_is_held() -> None:
    weight = {"kind": "share", "target": 0.3, "rate": 0.5, "every": 1}
    module = module_of(make_term("reconstruction"), make_term("kl", weight=weight))
    optimizers, found = module.configure_optimizers(), []
    for _ in range(40):
        module.play(module.run_pass(images()), optimizers)
        found.append(float(module.last["kl/gradient_share"]))
    assert abs(found[0] - 0.3) > 0.1
    assert found[-1] == pytest.approx(0.3, rel=0.35)
    assert float(module.last["kl/weight"]) != 1.0


def test_the_factor_moves_by_its_rule_and_is_saved() -> None:
    weight = make_weight({"kind": "share", "target": 0.4, "first": 2.0, "rate": 0.5, "every": 10})
    assert isinstance(weight, Share)
    weight.term = "kl"
    raw, now = torch.tensor(3.0), torch.tensor(0)
    assert float(weight(raw, now, {})) == 6.0
    assert float(weight(raw, now, {"kl/gradient_share": torch.tensor(0.1)})) == pytest.approx(6.0 * 2.0)
    assert float(weight(raw, now, {"kl/gradient_share": torch.tensor(0.0)})) == pytest.approx(12.0)
    again = make_weight(weight.settings())
    again.load_state_dict(weight.state_dict())
    again.term = "kl"
    assert float(again(raw, now, {})) == pytest.approx(12.0)


@pytest.mark.parametrize("bad", [{"target": 0.0}, {"target": 1.0, "rate": 0.0}, {"target": 1.0, "every": 0}])
def test_what_is_no_share_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="of a share are above 0"):
        make_weight({"kind": "share", **bad})


def test_a_share_is_a_setting_of_any_term() -> None:
    weight = {"kind": "share", "target": 0.3}
    config = resolve("gmg", "toy_grid", "quick", overrides={"terms.gromov_monge.weight": weight})
    module = build_module(config, (1, 64, 64), 1000)
    assert isinstance(module, DisentModule)
    assert isinstance(module.objective["gromov_monge"].weight, Share)
    assert module.objective["gromov_monge"].weight.term == "gromov_monge"


def test_logging_shares_is_no_part_of_the_key() -> None:
    plain, shares = (resolve("vae", "toy_grid", "quick", overrides={"gradient_shares": on}) for on in (False, True))
    assert plain.key("data") == shares.key("data")
    assert not shares.changes
