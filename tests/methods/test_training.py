"""A term without weight changes nothing; objectives fall, codes do not collapse, games stay games."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from disent_datasets import load

from disent_bench.config.method import is_module, is_regulariser, with_base
from disent_bench.config.resolve import resolve
from disent_bench.config.run import RunConfig
from disent_bench.module import DisentModule
from disent_bench.registry import METHODS
from disent_bench.runs.model import build_module

REGULARISERS = [name for name in METHODS if is_regulariser(name)]
TRAINED = [name for name in METHODS if not is_module(name) and METHODS[name].factory.__module__.startswith("disent_")]
OFF = {"weight": 0.0, "start": 0, "orthogonal_to": None}
SHORT = {"batch_size": 16, "scores.scores": ["mig"]}


def configured(method: str, **settings: Any) -> RunConfig:
    given = {name.replace("__", "."): value for name, value in settings.items()}
    return resolve(method, "toy_grid", "quick", overrides={**SHORT, **given})


def module_of(config: RunConfig) -> DisentModule:
    torch.manual_seed(0)
    module = build_module(config, (1, 64, 64), 1000)
    assert isinstance(module, DisentModule)
    return module


def networks_after(config: RunConfig, steps: int = 2) -> list[torch.Tensor]:
    module = module_of(config)
    optimizers, images = module.configure_optimizers(), torch.rand(steps, 2, 16, 1, 64, 64).round()
    for first, second in images:
        module.play(module.run_pass(first, second if module.needs & {"second", "pair"} else None), optimizers)
    assert module.decoder is not None
    return [*module.encoder.parameters(), *module.decoder.parameters()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", REGULARISERS)
def test_a_regulariser_without_weight_is_its_base(name: str) -> None:
    base = with_base([name])[0]
    added = set(configured(name).terms) - set(configured(base).terms)
    assert added
    # a projection sums gradients in another order
    off = {f"terms__{term}__{key}": value for term in added for key, value in OFF.items()}
    assert same(networks_after(configured(name, **off)), networks_after(configured(base)))


@pytest.mark.parametrize(
    ("method", "settings", "base"),
    [
        ("beta_vae", {"methods__beta_vae__beta": 1.0}, "vae"),
        ("factor_vae", {"methods__factor_vae__gamma": 0.0}, "vae"),
        ("dip_vae_i", {"methods__dip_vae_i__lambda_od": 0.0}, "vae"),
        ("dip_vae_ii", {"methods__dip_vae_ii__lambda_od": 0.0}, "vae"),
        ("lambda_beta_vae", {"methods__lambda_beta_vae__lambda_l2": 0.0}, "beta_vae"),
        ("beta_tcvae", {"methods__beta_tcvae__beta": 1.0}, "vae"),
        ("mmd", {"methods__mmd__alpha": 0.0, "methods__mmd__lambda_mmd": 1.0}, "vae"),
        ("topdis", {"methods__topdis__delay": 100}, "beta_tcvae"),
    ],
)
def test_a_method_without_its_weight_is_its_base(method: str, settings: dict[str, Any], base: str) -> None:
    assert same(networks_after(configured(method, **settings)), networks_after(configured(base)))
    if method != "topdis":  # which starts after 2,000 steps
        assert not same(networks_after(configured(method)), networks_after(configured(base)))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_a_short_training_lowers_the_objective_and_keeps_the_codes_apart(name: str) -> None:
    config = configured(name, batch_size=32)
    starts = {f"terms__{term}__start": 0 for term, settings in config.terms.items() if settings["start"]}
    module, grid = module_of(configured(name, batch_size=32, **starts)), load("toy_grid")
    optimizers, rng = module.configure_optimizers(), torch.Generator().manual_seed(0)
    losses, accuracies, steps = [], [], 150
    for _ in range(steps):
        rows = torch.randint(len(grid), (2, 32), generator=rng).numpy()
        first, second = (torch.from_numpy(grid.images(each)).permute(0, 3, 1, 2).float() for each in rows)
        scale = 1.0 / grid.scale
        other = second * scale if module.needs & {"second", "pair"} else None
        played = module.play(module.run_pass(first * scale, other), optimizers)
        losses.append({each: float(part.weighted.detach()) for each, part in played[0].parts.items()})
        accuracies += [float(value) for key, value in module.last.items() if key.endswith("/accuracy")]
    kept = [each for each in losses[-1] if each in losses[0] and each not in ("recombination", "density_ratio")]
    before, after = (
        sum(sum(loss.get(each, 0.0) for each in kept) for loss in part) for part in (losses[:10], losses[-10:])
    )
    assert after < before
    images = torch.from_numpy(grid.images(range(0, len(grid), 50))).permute(0, 3, 1, 2).float() / grid.scale
    codes = module.eval().encode(images)
    assert torch.isfinite(codes).all()
    assert float(codes.std(dim=0).max()) > 0.05
    if accuracies:
        late = accuracies[-40:]
        assert 0.5 < sum(late) / len(late) < 0.995


@pytest.mark.parametrize("name", ["annealed_vae", "control_vae", "dava", "factor_vae", "qlae"])
def test_what_steers_a_method_is_logged(name: str) -> None:
    module = module_of(configured(name))
    images = torch.rand(2, 16, 1, 64, 64).round()
    optimizers = module.configure_optimizers()
    for _ in range(2):
        module.play(module.run_pass(images[0], images[1] if module.needs & {"second"} else None), optimizers)
    wanted = {
        "annealed_vae": {"kl/capacity"},
        "control_vae": {"kl/weight", "kl/set_point"},
        "dava": {"kl/capacity", "recombination/accuracy", "recombination/weight"},
        "factor_vae": {"discriminator/accuracy"},
        "qlae": {"quantisation/values_used"},
    }[name]
    assert wanted <= set(module.last)
