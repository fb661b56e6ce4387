"""DAVA's game: reconstructions shall look like decoded recombinations of codes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from disent_bench.forward import Pass
from disent_bench.objective import Objective, Term
from disent_bench.parts import in_parts, rows_for
from disent_bench.players import Optimizer, Player
from disent_bench.registry import register_term

THRESHOLD = 0.6
"""From this probability on, the discriminator is taken to say "reconstructed"."""


SLOPE = 0.2


class ImageDiscriminator(nn.Module):
    """Stride-2 convolutions down to 4 pixels, instance norm, leaky ReLU, and two linear layers to one logit (DAVA).

    Shaped like an encoder, of any square image with a side from 8 on. The authors' dense layer is followed by a batch
    norm, which is left out here: with its running statistics the network that is attacked is another than the one that
    was trained.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: int = 32, hidden: int = 256) -> None:
        super().__init__()
        channels, side = image_shape[0], min(image_shape[1:])
        layers: list[nn.Module] = []
        for stage in range(max(1, int(math.log2(side / 4)))):
            out = width * (1 if stage < 2 else 2)
            layers += [nn.Conv2d(channels, out, 4, stride=2, padding=1)]
            layers += [nn.InstanceNorm2d(out)] if stage else []
            layers += [nn.LeakyReLU(SLOPE)]
            channels = out
        layers += [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, hidden), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return one logit for each image, ``(b,)``: positive for a reconstruction."""
        rows_of_part = rows_for(*images.shape[2:])
        return in_parts(lambda rows: (self.layers(rows)[:, 0],), images, self.layers.parameters(), rows_of_part)[0]


@register_term("image_discriminator", paper="arXiv:2303.01384")
class RecombinationDiscriminator(Term):
    """Loss of a network that tells reconstructions from decoded recombinations (Estermann & Wattenhofer 2023, DAVA).

    In a recombined code each latent is drawn with replacement from the batch's. Binary cross-entropy, summed over both
    kinds and divided by their number, with labels softened as in the authors' code: uniform in [.4, 1] for
    reconstructions, in [0, .6] for recombinations. The images are held fixed.

    Args:
        learning_rate: of the network's Adam.
        gradient_clip: largest norm of the network's gradient.
    """

    needs = frozenset({"decoder", "fitted"})

    def __init__(self, *, learning_rate: float = 1e-4, gradient_clip: float | None = 1.0, **common: Any) -> None:
        super().__init__(**common)
        self.learning_rate, self.gradient_clip = learning_rate, gradient_clip

    @property
    def optimizer(self) -> Optimizer:
        """How the network is trained."""
        return Optimizer(learning_rate=self.learning_rate, gradient_clip=self.gradient_clip)

    def setup(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        """Make the network."""
        self.network = ImageDiscriminator(image_shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def images(self, p: Pass) -> tuple[Tensor, Tensor]:
        """Return reconstructions and decoded recombinations, ``(b, c, h, w)`` each in [0, 1], computed once in a pass.

        The codes behind the latter are held fixed, so that gradients of them reach the decoder only.
        """
        found: tuple[Tensor, Tensor] = p.once("recombined images", self._images)
        return found

    def _images(self, p: Pass) -> tuple[Tensor, Tensor]:
        z = p.z.detach()
        rows = torch.randint(len(z), z.shape, generator=self.generator(z.device), device=z.device)
        return p.logits.sigmoid(), p.decode(z.gather(0, rows)).sigmoid()

    def forward(self, p: Pass) -> Tensor:
        """Return the loss, in nats."""
        reconstructed, recombined = (each.detach() for each in self.images(p))
        logits = self.network(torch.cat([reconstructed, recombined]))
        noise = torch.rand(logits.shape, generator=self.generator(logits.device), device=logits.device)
        low = torch.cat([torch.full_like(half, least) for half, least in zip(noise.chunk(2), (0.4, 0.0), strict=True)])
        labels = (low + 0.6 * noise).to(logits.dtype)
        return (softplus(logits) - labels * logits).mean()


@register_term("recombination", paper="arXiv:2303.01384")
class Recombination(Term):
    """What makes reconstructions and decoded recombinations look alike (Estermann & Wattenhofer 2023, DAVA).

    With D the network of the term ``image_discriminator``, and ``e = max(0, 100 (a - 1/2))`` by which its accuracy a on
    the batch exceeds chance:

        encoder * E[-log(1 - D(reconstruction))] + decoder * min(1, 1 / e) * E[-log D(recombination)]

    to be weighed by e (`disent_bench.weights.Excess`), so that the encoder's part weighs ``encoder * e`` and the
    decoder's ``min(decoder * e, decoder)``.
    The first part moves the encoder only, through the decoder held fixed; the second the decoder only. The network
    never sees either. As in the authors' code, where accuracy counts D >= .6 as "reconstructed"; there the second
    gradient step also repeats the autoencoder's own, which is left out.

    Args:
        encoder: weight of the encoder's part beside e; .3 in the authors' recipe.
        decoder: weight of the decoder's part; .001 in the authors' code, where it is also the largest.
    """

    needs = frozenset({"decoder", "fitted"})

    def __init__(self, *, encoder: float = 0.3, decoder: float = 0.001, **common: Any) -> None:
        super().__init__(**common)
        for name, value in (("encoder", encoder), ("decoder", decoder)):
            if not 0.0 <= value < float("inf"):
                raise ValueError(f"{name} is a weight of 0 or more, not {value}")
        self.encoder, self.decoder = encoder, decoder
        self.discriminator = RecombinationDiscriminator()

    def opponents(self) -> Sequence[Player]:
        """Return the discriminator of images."""
        return [Player("discriminator", Objective(self.discriminator), optimizer=self.discriminator.optimizer)]

    def forward(self, p: Pass) -> Tensor:
        """Return the sum of both parts, in nats."""
        reconstructed, recombined = self.discriminator.images(p)
        of_real, of_mixed = self.discriminator.network(torch.cat([reconstructed, recombined])).chunk(2)
        told = [of_real.detach().sigmoid() >= THRESHOLD, of_mixed.detach().sigmoid() < THRESHOLD]
        self._accuracy = torch.cat(told).float().mean()
        excess = 100.0 * (self._accuracy - 0.5)
        hidden = softplus(of_real).mean()
        if p.z.requires_grad:
            # The same value; its gradient reaches the codes through the decoder, and the decoder not at all.
            (slope,) = torch.autograd.grad(hidden, p.z, retain_graph=True, materialize_grads=True)
            along = (p.z * slope).sum()
            hidden = hidden.detach() + along - along.detach()
        realistic = softplus(-of_mixed).mean()
        return self.encoder * hidden + self.decoder / excess.clamp_min(1.0) * realistic

    def measurements(self) -> Mapping[str, Tensor]:
        """Share of images that the network told right in the latest step; .5 is chance."""
        return {"accuracy": self._accuracy}
