"""QLAE's encoder and decoder: instance norm, and a decoder whose layers the latents scale and shift."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import instance_norm, leaky_relu, relu

from disent_bench.registry import register_network

SIDE = 64
WIDTHS = (32, 64, 128, 256)
HIDDEN = 256
SLOPE = 0.2
EPSILON = 1e-6
KERNELS = ((3, 1), (3, 1), (4, 2))
"""Kernel and stride of the three convolutions of a stage, all with a padding of 1."""


class Encoder(nn.Module):
    """Maps images ``(b, c, 64, 64)`` in [0, 1] to features ``(b, num_features)``: twelve convolutions, three layers."""

    per_image = True

    def __init__(self, image_channels: int, num_features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = image_channels
        for width in WIDTHS:
            for kernel, stride in KERNELS:
                layers += [
                    nn.Conv2d(before, width, kernel, stride, padding=1, bias=False),
                    nn.InstanceNorm2d(width, eps=EPSILON, affine=True),
                    nn.LeakyReLU(SLOPE),
                ]
                before = width
        layers += [nn.Flatten(), nn.Linear(16 * before, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(HIDDEN, num_features)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features."""
        features: Tensor = self.head(self.features(images))
        return features


class StyleBlock(nn.Module):
    """Transposed convolution, leaky ReLU, instance norm, then a scale and a shift that a style gives.

    Both are at least 0, for the layer that gives them ends in ReLU in the authors' code.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(before, after, kernel, stride, padding=1, bias=False)
        self.style = nn.Linear(HIDDEN, 2 * after)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return ``(b, after, h, w)`` of ``x`` ``(b, before, ...)`` and a style ``(b, 256)``."""
        scale, shift = relu(self.style(style))[:, :, None, None].chunk(2, dim=1)
        return instance_norm(leaky_relu(self.convolution(x), SLOPE), eps=EPSILON) * scale + shift


class Decoder(nn.Module):
    """Maps latents ``(b, latent_dim)`` to Bernoulli logits ``(b, c, 64, 64)``: they style a learned constant."""

    per_image = True

    def __init__(self, image_channels: int, latent_dim: int) -> None:
        super().__init__()
        self.style = nn.Sequential(nn.Linear(latent_dim, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU())
        self.constant = nn.Parameter(torch.full((WIDTHS[-1], 4, 4), 0.1))
        # The encoder's convolutions backwards: each takes what the one of the encoder gives.
        widths = [width for width in WIDTHS for _ in KERNELS]
        shapes = zip(widths[::-1], [*widths[-2::-1], widths[0]], list(KERNELS * len(WIDTHS))[::-1], strict=True)
        self.blocks = nn.ModuleList(StyleBlock(before, after, *shape) for before, after, shape in shapes)
        self.last = nn.Conv2d(WIDTHS[0], image_channels, 3, padding=1, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits."""
        style = self.style(z)
        value = self.constant.expand(len(z), -1, -1, -1)
        for block in self.blocks:
            value = block(value, style)
        logits: Tensor = self.last(value)
        return logits

    def latent_norms(self) -> Tensor:
        """L2 norm of the weights leaving each latent in the first layer, shape ``(latent_dim,)``."""
        return self.style[0].weight.norm(dim=0)  # type: ignore[operator]


@register_network("hsu2023", paper="arXiv:2305.18378")
def build_pair(image_shape: tuple[int, int, int], latent_dim: int, num_features: int) -> tuple[Encoder, Decoder]:
    """QLAE's: twelve convolutions with instance norm, a decoder styled by the latents (Hsu et al. 2023).

    Raises:
        ValueError: if the images are not 64x64.
    """
    channels, height, width = image_shape
    if (height, width) != (SIDE, SIDE):
        raise ValueError(f"takes {SIDE}x{SIDE} images, not {height}x{width}; set image_size={SIDE}")
    return Encoder(channels, num_features), Decoder(channels, latent_dim)
