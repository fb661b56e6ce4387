"""Convolutional encoder-decoder pairs for square images of 64 pixels a side, and of 32, 128 and 256.

Every variant halves 64x64 images four times with stride-2 convolutions; they differ in kernels, widths, the layers
between the 4x4 feature map and the latents, and the initialisation. Sizes follow the authors' public code. For another
side there is one stage fewer or more at the images' end, of the width of the first (ours, said in the name: ``_128``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from disent_bench.nets.transposed import TransposedConvolution
from disent_bench.registry import register_network

IMAGE_SIZE = 64
OTHER_SIZES = (32, 128, 256)


class Heads(nn.Linear):
    """Linear heads of ``width`` outputs each (means, log-variances) side by side in one layer."""

    def __init__(self, in_features: int, out_features: int, width: int) -> None:
        super().__init__(in_features, out_features)
        self.width = width


def glorot_uniform(module: nn.Module) -> None:
    """Glorot-uniform kernels, each head's limit from its own outputs, and zero biases: the ``tf.layers`` default."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        kernels = module.weight.detach()
        for kernel in kernels.split(module.width) if isinstance(module, Heads) else [kernels]:
            nn.init.xavier_uniform_(kernel)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def kaiming_uniform(module: nn.Module) -> None:
    """Kaiming-uniform kernels for ReLU; biases keep torch's default, uniform within 1 / sqrt(fan in)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")


def normal_002(module: nn.Module) -> None:
    """Normal kernels of deviation 0.02; transposed convolutions keep the library's default, as in TopDis's code."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Variant:
    """Widths and kernels of one encoder-decoder pair; the decoder's stride-2 kernels are always 4."""

    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    hidden: int
    fully_convolutional: bool
    initialise: Callable[[nn.Module], None]
    decoder_channels: tuple[int, ...] | None = None

    @property
    def side(self) -> int:
        """Pixels of a side of the images."""
        return int(4 * 2 ** len(self.channels))

    def for_side(self, side: int) -> Variant:
        """Return the variant with as many stages at the images' end as images of ``side`` pixels take."""
        more = round(math.log2(side / self.side))
        decoder = self.decoder_channels or self.channels[-2::-1]
        if more < 0:
            return replace(
                self,
                channels=self.channels[-more:],
                kernels=self.kernels[-more:],
                decoder_channels=decoder[:more],
            )
        return replace(
            self,
            channels=self.channels[:1] * more + self.channels,
            kernels=self.kernels[:1] * more + self.kernels,
            decoder_channels=decoder + decoder[-1:] * more,
        )


class Encoder(nn.Module):
    """Maps images ``(b, c, side, side)`` in [0, 1] to features ``(b, num_features)``."""

    per_image = True

    def __init__(self, variant: Variant, image_channels: int, latent_dim: int, num_features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = image_channels
        for out, kernel in zip(variant.channels, variant.kernels, strict=True):
            layers += [nn.Conv2d(width, out, kernel, stride=2, padding=(kernel - 2) // 2), nn.ReLU()]
            width = out
        if variant.fully_convolutional:
            layers += [nn.Conv2d(width, variant.hidden, 4), nn.ReLU(), nn.Flatten()]
        else:
            layers += [nn.Flatten(), nn.Linear(width * 16, variant.hidden), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        # A 1x1 convolution on a 1x1 map is this linear layer.
        self.head = Heads(variant.hidden, num_features, width=latent_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features."""
        features: Tensor = self.head(self.features(images))
        return features


class Decoder(nn.Module):
    """Maps latents ``(b, latent_dim)`` to Bernoulli logits ``(b, c, side, side)``."""

    per_image = True

    def __init__(self, variant: Variant, image_channels: int, latent_dim: int) -> None:
        super().__init__()
        top = variant.channels[-1]
        self.first = nn.Linear(latent_dim, variant.hidden)
        layers: list[nn.Module] = [nn.ReLU()]
        if variant.fully_convolutional:
            layers += [nn.Unflatten(1, (variant.hidden, 1, 1)), nn.ConvTranspose2d(variant.hidden, top, 4)]
        else:
            layers += [nn.Linear(variant.hidden, top * 16), nn.Unflatten(1, (top, 4, 4))]
        width = top
        for out in variant.decoder_channels or variant.channels[-2::-1]:
            layers += [nn.ReLU(), TransposedConvolution(width, out)]
            width = out
        layers += [nn.ReLU(), TransposedConvolution(width, image_channels)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits."""
        return self.layers(self.first(z))

    def activations(self, z: Tensor) -> list[Tensor]:
        """Return what leaves each hidden layer, from the latents' side to the images', ``(b, ...)`` each."""
        found, value = [], self.first(z)
        for layer in [*self.layers][:-1]:
            value = layer(value)
            if isinstance(layer, nn.ReLU):
                found.append(value)
        return found

    def latent_norms(self) -> Tensor:
        """L2 norm of the weights leaving each latent in the first layer, shape ``(latent_dim,)``."""
        return self.first.weight.norm(dim=0)


def build_pair(
    variant: Variant, image_shape: tuple[int, int, int], latent_dim: int, num_features: int
) -> tuple[Encoder, Decoder]:
    """Build encoder and decoder of a variant for images ``(channels, side, side)``.

    Raises:
        ValueError: if the images have another size.
    """
    channels, *size = image_shape
    side = variant.side
    if size != [side, side]:
        raise ValueError(f"takes {side}x{side} images, not {size[0]}x{size[1]}; {_way_out(*size)}")
    encoder, decoder = Encoder(variant, channels, latent_dim, num_features), Decoder(variant, channels, latent_dim)
    for network in (encoder, decoder):
        network.apply(variant.initialise)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return encoder, decoder


def _way_out(height: int, width: int) -> str:
    """Say what to do with images for which a network is too small or too large."""
    if height != width:
        return "register a network for that size (register_network)"
    nearest = min((IMAGE_SIZE, *OTHER_SIZES), key=lambda side: abs(math.log(side / height)))
    ending = "the name without an ending" if nearest == IMAGE_SIZE else f"the one whose name ends in _{nearest}"
    if nearest == height:
        return f"take {ending}"
    return f"set image_size={nearest} and take {ending}, or register a network for that size (register_network)"


def _register(name: str, title: str, paper: str, variant: Variant, version: int = 1) -> None:
    """Register a variant, and what is made of it for images of other sizes."""
    for side in (IMAGE_SIZE, *OTHER_SIZES):
        full = name if side == IMAGE_SIZE else f"{name}_{side}"
        build = partial(build_pair, variant.for_side(side))
        said = title if side == IMAGE_SIZE else f"{name} for {side}x{side} images, a stage for each halving (ours)."
        build.__doc__, build.__module__, build.__qualname__ = said, __name__, f"build_pair[{full}]"  # type: ignore[attr-defined]
        register_network(full, paper=paper, version=version)(build)


_register(
    "locatello2019",
    "disentanglement_lib's: kernel 2 in the last two convolutions (Locatello et al. 2019).",
    "arXiv:1811.12359",
    Variant((32, 32, 64, 64), (4, 4, 2, 2), 256, False, glorot_uniform, decoder_channels=(64, 32, 32)),
    version=2,
)
_register(
    "roth2023",
    "disentangling-correlated-factors': kernel 4 throughout (Roth et al. 2023).",
    "arXiv:2210.07347",
    Variant((32, 32, 64, 64), (4, 4, 4, 4), 256, False, kaiming_uniform, decoder_channels=(64, 32, 32)),
    version=2,
)
_register(
    "topdis_small",
    "TopDis's for dSprites with FactorVAE (Balabin et al. 2024).",
    "arXiv:2308.12696",
    Variant((32, 32, 64, 64), (4, 4, 4, 4), 128, True, normal_002),
)
_register(
    "topdis_medium",
    "TopDis's for 3D Shapes, MPI3D and 3D Faces (Balabin et al. 2024).",
    "arXiv:2308.12696",
    Variant((32, 32, 64, 64), (4, 4, 4, 4), 256, True, normal_002),
)
_register(
    "topdis_large",
    "TopDis's for dSprites with the other bases (Balabin et al. 2024).",
    "arXiv:2308.12696",
    Variant((32, 64, 128, 256), (4, 4, 4, 4), 512, True, normal_002),
)
