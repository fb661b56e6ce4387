"""Total correlation by a discriminator, and the discriminator's own loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from disent_bench.forward import Pass
from disent_bench.objective import Objective, Term, choose
from disent_bench.players import Optimizer, Player
from disent_bench.registry import register_term

Permuted = Literal["second", "same"]

SLOPE = 0.2


class CodeDiscriminator(nn.Sequential):
    """Fully connected layers with leaky ReLU, slope .2, from ``(b, num_inputs)`` to two logits (Kim & Mnih 2018).

    Six hidden layers of 1,000 in disentanglement_lib, whose docstring calls them the paper's; others have five. Kernels
    are Glorot-uniform, biases zero, as there.
    """

    def __init__(self, num_inputs: int, hidden: int = 1000, layers: int = 6) -> None:
        widths = [num_inputs, *([hidden] * layers)]
        stack: list[nn.Module] = []
        for before, after in pairwise(widths):
            stack += [nn.Linear(before, after), nn.LeakyReLU(SLOPE)]
        super().__init__(*stack, nn.Linear(hidden, 2))
        for layer in self:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)


@register_term("discriminator", paper="arXiv:1802.05983")
class Discriminator(Term):
    """Loss of a network that tells codes from codes whose latents are shuffled apart (Kim & Mnih 2018, algorithm 2).

    ``1/2 E[-log D_0(z)] + 1/2 E[-log D_1(permuted z)]``, D the softmax of two logits; each latent of the permuted batch
    gets a random permutation of its own. The codes are held fixed, so the encoder never sees this loss.

    Args:
        permuted: what is permuted, codes of a ``"second"`` independent batch, as in the paper, or of the ``"same"``
            one, as in disentanglement_lib.
        hidden: width of the layers.
        layers: how many there are.
        learning_rate: of the network's Adam.
        beta1: of the network's Adam.
        beta2: of the network's Adam.
    """

    heavy = True

    def __init__(
        self,
        *,
        permuted: Permuted = "second",
        hidden: int = 1000,
        layers: int = 6,
        learning_rate: float = 1e-4,
        beta1: float = 0.5,
        beta2: float = 0.9,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        choose("permuted", permuted, ("second", "same"))
        for name, value in (("hidden", hidden), ("layers", layers)):
            if value < 1:
                raise ValueError(f"{name} of the discriminator is at least 1, not {value}")
        self.permuted: Permuted = permuted
        self.hidden, self.layers = hidden, layers
        self.learning_rate, self.beta1, self.beta2 = learning_rate, beta1, beta2
        self.needs = frozenset({"second"} if permuted == "second" else ())

    @property
    def optimizer(self) -> Optimizer:
        """How the network is trained."""
        return Optimizer(learning_rate=self.learning_rate, beta1=self.beta1, beta2=self.beta2)

    def setup(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        """Make the network."""
        self.network = CodeDiscriminator(latent_dim, self.hidden, self.layers)

    def forward(self, p: Pass) -> Tensor:
        """Return the loss, in nats: log 2 for a network that cannot tell the two apart."""
        joint, source = p.z.detach(), (p.second if self.permuted == "second" else p).z.detach()
        logits = self.network(torch.cat([joint, self.permute(source)]))
        labels = torch.arange(2, device=joint.device).repeat_interleave(len(joint))
        self._accuracy = (logits.detach().argmax(dim=1) == labels).float().mean()
        return cross_entropy(logits, labels)

    def permute(self, z: Tensor) -> Tensor:
        """Shuffle each latent over the batch on its own, ``(b, d)``."""
        order = torch.rand(z.shape, generator=self.generator(z.device), device=z.device).argsort(dim=0)
        return z.gather(0, order)

    def measurements(self) -> Mapping[str, Tensor]:
        """Share of codes, permuted or not, that the network told right in the latest step: .5 is chance."""
        return {"accuracy": self._accuracy}


@register_term("density_ratio", paper="arXiv:1802.05983")
class DensityRatio(Term):
    """Total correlation by a density ratio, ``E[log D_0(z) - log D_1(z)]``, in nats per image (Kim & Mnih 2018).

    D is the network of the term ``discriminator``, an opponent with an optimiser of its own; this term moves the
    encoder and never the network.
    """

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self.discriminator = Discriminator()

    def opponents(self) -> Sequence[Player]:
        """Return the discriminator."""
        return [Player("discriminator", Objective(self.discriminator), optimizer=self.discriminator.optimizer)]

    def forward(self, p: Pass) -> Tensor:
        """Return the mean difference of the two logits."""
        logits = self.discriminator.network(p.z)
        return (logits[:, 0] - logits[:, 1]).mean()
