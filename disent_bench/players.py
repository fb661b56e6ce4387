"""A method is a game: each player lowers its own objective over its own parameters. Most games have one player."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from disent_bench.forward import Pass
from disent_bench.gradients import Networks, accumulate_gradients, gradient_shares
from disent_bench.objective import Objective, Part, all_terms

if TYPE_CHECKING:
    from disent_bench.bottlenecks.bottleneck import Bottleneck

NEEDS: Mapping[str, str] = {
    "decoder": "a decoder: take a network that has one",
    "activations": "a decoder that shows its layers: take a network whose decoder has activations(z)",
    "posterior": "a Gaussian posterior: take the bottleneck gaussian or group",
    "codebook": "a codebook: take the bottleneck quantised",
    "second": "a second, independent batch: take another sampler than pairs",
    "pair": "pairs of images: take sampler=pairs",
}
"""What a term or a bottleneck can need, with what would give it."""


@dataclass(frozen=True)
class Optimizer:
    """Settings of an optimiser; defaults are those of Locatello et al. 2019.

    Attributes:
        optimizer: ``"adam"``, or ``"adamw"`` with decoupled weight decay (Loshchilov & Hutter 2019).
        learning_rate: step size.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        weight_decay: L2 penalty of Adam, decoupled decay of AdamW, which spares biases, scales and codebooks.
        gradient_clip: largest Euclidean norm of the gradient, to which a larger one is scaled before the step; None for
            no bound.
        gradient_clip_value: largest absolute value of each entry of the gradient; None for no bound.
    """

    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    gradient_clip: float | None = None
    gradient_clip_value: float | None = None

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimiser, its step fused; on a GPU it can be captured in a graph."""
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.optimizer]
        listed = list(parameters)
        spared = (
            [each for each in listed if _is_spared(each)] if self.optimizer == "adamw" and self.weight_decay else []
        )
        decayed = [each for each in listed if not any(each is other for other in spared)]
        groups = [{"params": decayed}, {"params": spared, "weight_decay": 0.0}] if spared else listed
        return kind(
            groups,
            lr=self.learning_rate,
            betas=(self.beta1, self.beta2),
            eps=1e-8,
            weight_decay=self.weight_decay,
            fused=True,
            capturable=listed[0].device.type == "cuda",
        )


def _is_spared(parameter: nn.Parameter) -> bool:
    """Whether a decoupled decay leaves a parameter alone; a codebook says so with an attribute ``spared``."""
    return parameter.ndim < 2 or getattr(parameter, "spared", False)


class Player(nn.Module):
    """One player: an objective, the parameters that it lowers it over, and the settings of its optimiser.

    Args:
        name: what it is called in logs, such as ``"discriminator"``.
        objective: what it lowers.
        parameters: what it moves, called once the networks are there; by default the parameters of its objective's
            terms.
        optimizer: how it moves them.
    """

    skipped: Tensor

    def __init__(
        self,
        name: str,
        objective: Objective,
        parameters: Callable[[], Iterable[nn.Parameter]] | None = None,
        optimizer: Optimizer | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.objective = objective
        self.parameters_of = parameters or objective.parameters
        self.optimizer_settings = optimizer or Optimizer()
        self.networks: Networks = {}
        self.register_buffer("skipped", torch.zeros((), dtype=torch.int64))

    def move(self, networks: Mapping[str, Iterable[nn.Parameter]]) -> None:
        """Give the player its parameters; a group is a network that `disent_bench.objective.Term.moves` can name.

        Raises:
            ValueError: if there are none.
        """
        self.networks = {name: list(group) for name, group in networks.items()}
        if not any(self.networks.values()):
            raise ValueError(f"player '{self.name}' has no parameters to move; its terms make them in setup()")

    def own_parameters(self) -> list[nn.Parameter]:
        """Return all that the player moves."""
        return [parameter for group in self.networks.values() for parameter in group]

    def configure_optimizer(self) -> torch.optim.Optimizer:
        """Build the player's optimiser."""
        return self.optimizer_settings.build(self.own_parameters())

    def step(self, p: Pass, optimizer: torch.optim.Optimizer, step: int | None = None) -> Played:
        """Take one step of a game with one player, as `play` does."""
        return play([self], p, [optimizer], step)[0]


@dataclass(frozen=True)
class Played:
    """What a player did in one step: its active terms' values, cosines of guarded gradients, and shares if measured."""

    parts: Mapping[str, Part]
    cosines: Mapping[str, Tensor]
    shares: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def loss(self) -> Tensor:
        """Sum of the weighted values; 0 if every term skipped."""
        weighted = [part.weighted.detach() for part in self.parts.values()]
        return torch.stack(weighted).sum() if weighted else torch.zeros(())


def play(
    players: Sequence[Player],
    p: Pass,
    optimizers: Sequence[torch.optim.Optimizer],
    step: int | None = None,
    shares: bool = False,
) -> list[Played]:
    """Let every player take one step on the same pass: all look, all take their gradients, then all move.

    A player whose every term skips, or has not started, stays where it is; the first case is counted.

    Args:
        players: the model first.
        p: the pass.
        optimizers: one for each player.
        step: ``p.step`` as a plain number, so that nothing asks the device for it.
        shares: measure `disent_bench.gradients.gradient_shares` of the model, a backward pass for each term.
    """
    now = int(p.step) if step is None else step
    looked = [player.objective(p, now) for player in players]
    played = []
    for place, (player, parts) in enumerate(zip(players, looked, strict=True)):
        if not parts:
            player.skipped += any(term.start <= now for term in player.objective)
            played.append(Played({}, {}))
            continue
        optimizers[place].zero_grad()
        measured = gradient_shares(player.objective, parts, player.networks) if shares and place == 0 else {}
        cosines = accumulate_gradients(player.objective, parts, player.networks, retain_graph=place < len(players) - 1)
        if (largest := player.optimizer_settings.gradient_clip) is not None:
            nn.utils.clip_grad_norm_(player.own_parameters(), largest)
        if (bound := player.optimizer_settings.gradient_clip_value) is not None:
            nn.utils.clip_grad_value_(player.own_parameters(), bound)
        played.append(Played(parts, cosines, measured))
    for optimizer, moved in zip(optimizers, played, strict=True):
        if moved.parts:
            optimizer.step()
    return played


def gather(objective: Objective, networks: Mapping[str, Iterable[nn.Parameter]], optimizer: Optimizer) -> list[Player]:
    """Return the players of a game, the model first, each with its parameters.

    The model moves ``networks`` and its terms' own parameters, an opponent those of its objective's terms. No
    parameter has two owners.

    Args:
        objective: of the model, set up.
        networks: parameters by network: ``"encoder"`` and, if there is one, ``"decoder"``.
        optimizer: settings of the model's optimiser.
    """
    opponents = objective.opponents()
    taken = {parameter for player in opponents for parameter in player.parameters_of()}
    model = Player("model", objective, optimizer=optimizer)
    model.move({**networks, "terms": [each for each in objective.parameters() if each not in taken]})
    for player in opponents:
        player.move({"terms": player.parameters_of()})
    return [model, *opponents]


def check_needs(objective: Objective, bottleneck: Bottleneck, offers: Iterable[str]) -> None:
    """Refuse a model that needs what it does not have.

    Args:
        objective: of the model; its opponents' terms are checked as well.
        bottleneck: what it has is offered, what it needs is checked.
        offers: what network and data offer, words of `NEEDS`.

    Raises:
        ValueError: naming term, need and what would work.
    """
    offered = {*offers, *bottleneck.offers}
    needs = {f"bottleneck '{bottleneck.name}'": bottleneck.needs}
    needs |= {f"term '{term.name}'": term.needs - {"fitted"} for term in all_terms(objective)}
    for who, wanted in needs.items():
        for need in sorted(wanted - offered):
            raise ValueError(f"{who} needs {NEEDS[need]}")
    decoding = [term for term in all_terms(objective) if "decoder" in term.needs]
    if decoding and all("fitted" in term.needs for term in decoding):
        names = ", ".join(f"'{term.name}'" for term in decoding)
        raise ValueError(
            f"no term fits the decoder that {names} would shape; take a base with a reconstruction term, or a term "
            'on the encoder (side="encoder", where it has one)'
        )
