"""Games of several players: who moves what, and that an opponent needs no line of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from disent_bench import (
    Objective,
    Optimizer,
    Pass,
    Player,
    SkipStep,
    Term,
    load_run,
    register_bottleneck,
    register_method,
    register_network,
    register_term,
)
from disent_bench.bottlenecks.gaussian import Gaussian
from disent_bench.config.resolve import resolve
from disent_bench.module import DisentModule, Training
from disent_bench.players import check_needs, play
from disent_bench.registry import BOTTLENECKS, METHODS, NETWORKS, TERMS
from disent_bench.runs.train import run
from disent_bench.terms import KL, Commitment, Reconstruction
from disent_bench.weights import Weight

SHORT = {
    "steps": 6,
    "batch_size": 8,
    "log_every": 1,
    "checkpoint_every": 2,
    "evaluate_every": 0,
    "scores.scores": ["mig"],
    "scores.num_train": 200,
    "scores.num_test": 100,
}


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (METHODS, TERMS, BOTTLENECKS, NETWORKS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))


class Guess(Term):
    """The critic's loss: squared error of its guess of the batch's mean brightness from z."""

    def setup(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        self.critic = nn.Linear(latent_dim, 1)

    def forward(self, p: Pass) -> Tensor:
        return (self.critic(p.z.detach())[:, 0] - p.x.mean((1, 2, 3))).square().mean()


class Hide(Term):
    """What the model lowers: minus the critic's squared error."""

    needs = frozenset({"posterior"})

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self.guess = Guess()

    def opponents(self) -> Sequence[Player]:
        return [Player("critic", Objective(self.guess), optimizer=Optimizer(learning_rate=1e-2))]

    def forward(self, p: Pass) -> Tensor:
        return -(self.guess.critic(p.z)[:, 0] - p.x.mean((1, 2, 3))).square().mean()


def register_game() -> None:
    register_term("guess")(Guess)
    register_term("hide")(Hide)

    @register_method("hiding")
    class Hiding:
        """A method with an opponent, for tests."""

        def objective(self) -> Objective:
            return Objective(Reconstruction(), KL(), Hide())


def game(*terms: Term) -> DisentModule:
    torch.manual_seed(0)
    return DisentModule(Objective(Reconstruction(), *terms), (1, 64, 64), 1000, Training(precision="32"))


def images(size: int = 8) -> Tensor:
    return torch.rand(size, 1, 64, 64, generator=torch.Generator().manual_seed(1)).round()


def test_arguments_as_plain_data_rebuild_opponents_with_their_settings() -> None:
    register_game()
    module = DisentModule({"reconstruction": {}, "hide": {"start": 2}, "guess": {"weight": 3.0}}, (1, 64, 64), 1000)
    assert [player.name for player in module.players] == ["model", "critic"]
    assert list(module.hparams["objective"]) == ["reconstruction", "hide", "guess"]
    again = DisentModule(**module.hparams)
    assert again.hparams == module.hparams
    (guess,) = again.players[1].objective
    assert guess.weight.value == 3.0
    assert again.objective["hide"].start == 2


def test_each_player_moves_its_own_parameters_by_its_own_gradient() -> None:
    register_game()
    module = game(Hide())
    model, critic = module.players
    weight = module.objective["hide"].guess.critic.weight
    own = {id(p) for p in module.objective["hide"].guess.critic.parameters()}
    assert {id(p) for p in critic.own_parameters()} == own
    assert id(weight) not in {id(p) for p in model.own_parameters()}
    p = module.run_pass(images())
    (expected,) = torch.autograd.grad(module.objective["hide"].guess(p), weight)
    before = weight.detach().clone()
    play(module.players, p, module.configure_optimizers(), 0)
    torch.testing.assert_close(weight.grad, expected)
    # Adam's first step moves every parameter by the learning rate against its gradient
    torch.testing.assert_close(before - weight, 1e-2 * expected.sign(), atol=1e-4, rtol=0)


def test_an_opponent_may_read_the_models_graph_and_moves_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    register_game()
    monkeypatch.setattr(
        Guess, "forward", lambda self, p: (self.critic(p.z)[:, 0] - p.x.mean((1, 2, 3))).square().mean()
    )
    module, alone = game(Hide()), game(Hide())
    optimizers, model = module.configure_optimizers(), alone.configure_optimizers()[:1]
    torch.manual_seed(3)
    play(module.players, module.run_pass(images()), optimizers, 0)
    torch.manual_seed(3)
    play(alone.players[:1], alone.run_pass(images()), model, 0)
    for mine, expected in zip(module.players[0].own_parameters(), alone.players[0].own_parameters(), strict=True):
        assert torch.equal(mine, expected)


def test_all_look_before_anyone_moves() -> None:
    register_game()
    module = game(Hide())
    first, second = module.run_pass(images()), module.run_pass(images())
    torch.manual_seed(3)
    looked = [player.objective(first, 0) for player in module.players]
    torch.manual_seed(3)
    played = play(module.players, second, module.configure_optimizers(), 0)
    for parts, moved in zip(looked, played, strict=True):
        for name, part in parts.items():
            assert torch.equal(part.raw, moved.parts[name].raw), name
    model = looked[0]
    assert len(model) > 1
    assert float(played[0].loss) == pytest.approx(sum(part.weighted.item() for part in model.values()), rel=1e-6)


def test_start_weight_and_settings_hold_for_an_opponent(tmp_path: Path, data_dir: Path) -> None:
    register_game()
    changes = {"terms.guess.start": 3, "terms.guess.weight": {"kind": "linear", "first": 0.0, "last": 4.0, "steps": 8}}
    config = resolve("hiding", "toy_grid", "quick", overrides={**SHORT, **changes})
    assert config.terms["guess"]["start"] == 3
    outcome = run(config, 0, runs=tmp_path, data_dir=data_dir, say=lambda line: None)
    assert outcome.status == "done", outcome.reason
    lines = [json.loads(line) for line in (outcome.folder / "metrics.jsonl").read_text().splitlines()]
    steps = {line["step"]: line for line in lines if "raw/hide" in line}
    assert "raw/guess" not in steps[3]
    for step in (4, 5, 6):
        assert steps[step]["weighted/guess"] == pytest.approx(steps[step]["raw/guess"] * 4.0 * (step - 1) / 8, rel=1e-5)
        assert steps[step]["loss/critic"] == pytest.approx(steps[step]["weighted/guess"])


def test_one_seed_is_one_initial_network_whatever_the_terms_make() -> None:
    register_game()
    plain, other = game(KL()), game(Hide())
    theirs = dict(other.named_parameters())
    for name, parameter in plain.named_parameters():
        assert torch.equal(parameter, theirs[name]), name
    assert torch.equal(plain.run_pass(images()).z, game(KL()).run_pass(images()).z)


def test_a_run_with_an_opponent_can_be_reopened(tmp_path: Path, data_dir: Path) -> None:
    register_game()
    config = resolve("hiding", "toy_grid", "quick", overrides=SHORT)
    outcome = run(config, 0, runs=tmp_path, data_dir=data_dir, say=lambda line: None)
    module = load_run(outcome.folder)
    saved = torch.load(outcome.folder / "last.ckpt", weights_only=True)
    assert len(saved["optimizer_states"]) == 2
    weight = module.objective["hide"].guess.critic.weight
    assert torch.equal(weight, saved["state_dict"]["_players.1.objective.terms.guess.critic.weight"])


def test_a_player_whose_every_term_skips_stays_and_is_counted() -> None:
    @register_term("never")
    class Never(Term):
        """Skips."""

        def forward(self, p: Pass) -> Tensor:
            raise SkipStep

    torch.manual_seed(0)
    module = DisentModule(Objective(Never()), (1, 64, 64), 1000, Training(precision="32"))
    before = [p.detach().clone() for p in module.parameters()]
    played = module.play(module.run_pass(images()), module.configure_optimizers())
    assert played[0].parts == {}
    assert float(played[0].loss) == 0.0
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), before, strict=True))
    assert module.skipped() == {"never": 1, "every term of model": 1}
    assert (module.step, int(module.clock)) == (1, 1)


def test_a_weight_sees_the_last_steps_measurements() -> None:
    class Follow(Weight):
        """The last step's KL."""

        def forward(self, raw: Tensor, step: Tensor, last: Any) -> Tensor:
            return last["kl"] * raw if "kl" in last else 0.0 * raw

    module = game(KL(weight={"kind": "follow"}))
    optimizers = module.configure_optimizers()
    first, second = (module.play(module.run_pass(images()), optimizers)[0] for _ in range(2))
    assert float(first.parts["kl"].weighted.detach()) == 0.0
    raws = [float(each.parts["kl"].raw.detach()) for each in (first, second)]
    assert float(second.parts["kl"].weighted.detach()) == pytest.approx(raws[0] * raws[1])
    again = game(KL(weight={"kind": "follow"}))
    again.load_state_dict(module.state_dict())
    assert (again.step, int(again.clock)) == (2, 2)
    assert float(again.last["kl"]) == raws[1], "measurements are resumed"


def test_a_second_batch_that_only_gives_z_is_not_decoded() -> None:
    @register_term("reads_z")
    class ReadsZ(Term):
        """Reads the second batch's latents."""

        needs = frozenset({"second"})

        def forward(self, p: Pass) -> Tensor:
            return p.second.z.square().mean()

    module = game(ReadsZ())
    sizes: list[int] = []
    module.decoder.register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    module.play(module.run_pass(images(8), images(6)), module.configure_optimizers())
    assert sum(sizes) == 8, "the first batch, part by part"


def test_the_noise_of_the_first_batch_does_not_depend_on_the_second() -> None:
    @register_term("reads_second")
    class ReadsSecond(Term):
        """Reads the second batch's latents first."""

        needs = frozenset({"second"})

        def forward(self, p: Pass) -> Tensor:
            return p.second.z.square().mean()

    torch.manual_seed(0)
    module = DisentModule(Objective(ReadsSecond(), Reconstruction()), (1, 64, 64), 9, Training(precision="32"))
    torch.manual_seed(5)
    p = module.run_pass(images(), images())
    p.second.z  # noqa: B018
    z = p.z
    torch.manual_seed(5)
    assert torch.equal(module.run_pass(images()).z, z)


@pytest.mark.parametrize(
    ("terms", "offers", "message"),
    [
        ([Commitment], {"decoder"}, "term 'commitment' needs a codebook: take the bottleneck quantised"),
        ([Reconstruction], set(), "term 'reconstruction' needs a decoder: take a network that has one"),
    ],
)
def test_a_need_that_is_not_met_is_said_with_what_would_work(terms: list, offers: set, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_needs(Objective(*(kind() for kind in terms)), Gaussian(), offers)


def test_pairs_and_second_batches_are_not_confused(data_dir: Path) -> None:
    from disent_bench.terms import Topological

    second = Objective(Reconstruction(), Topological(batch="second"))
    with pytest.raises(ValueError, match="term 'topological' needs a second, independent batch"):
        DisentModule(second, (1, 64, 64), 9, data={"pair"})
    pairs = BOTTLENECKS["group"].factory()
    with pytest.raises(ValueError, match="bottleneck 'group' needs pairs of images: take sampler=pairs"):
        DisentModule(Objective(Reconstruction(), KL()), (1, 64, 64), 9, bottleneck=pairs)


def test_a_network_of_ones_own_takes_the_size_it_says(tmp_path: Path) -> None:
    @register_network("small")
    def small(image_shape: tuple[int, int, int], latent_dim: int) -> tuple[nn.Module, nn.Module]:
        pixels = image_shape[0] * image_shape[1] * image_shape[2]
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 2 * latent_dim))
        return encoder, nn.Sequential(nn.Linear(latent_dim, pixels), nn.Unflatten(1, image_shape))

    module = DisentModule(Objective(Reconstruction(), KL()), (3, 28, 28), 9, Training(network="small", latent_dim=4))
    module.play(module.run_pass(torch.rand(5, 3, 28, 28)), module.configure_optimizers())
    assert module.encode(torch.rand(5, 3, 28, 28)).shape == (5, 4)
    assert module.decode(torch.rand(5, 4)).shape == (5, 3, 28, 28)
    quantised = BOTTLENECKS["quantised"].factory()
    with pytest.raises(ValueError, match="'small' gives two features for each latent, 4 are needed in all"):
        DisentModule(Objective(KL()), (3, 28, 28), 9, Training(network="small", latent_dim=4), bottleneck=quantised)
    with pytest.raises(
        ValueError, match="'roth2023': takes 64x64 images, not 28x28; set image_size=32 and take the one"
    ):
        DisentModule(Objective(KL()), (3, 28, 28), 9, Training(network="roth2023"))


@pytest.mark.parametrize(
    ("register", "what", "message"),
    [
        (register_method("bad"), lambda: None, "is a class, a recipe or a LightningModule, not function"),
        (register_method("bad"), type("Empty", (), {}), "has neither objective\\(\\) nor terms\\(\\)"),
        (register_method("bad"), type("Both", (), {"terms": len, "objective": len}), "has both"),
        (register_term("bad"), nn.Linear, "term 'bad' is a subclass of disent_bench.Term, not class Linear"),
        (register_bottleneck("bad"), KL, "bottleneck 'bad' is a subclass of disent_bench.Bottleneck"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_registered(register: Any, what: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        register(what)
    assert len(str(refused.value).splitlines()) == 1
