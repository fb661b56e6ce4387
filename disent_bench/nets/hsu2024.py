"""Tripod's encoder and decoder: residual blocks with instance norm, a decoder modulated by the latents."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, instance_norm, interpolate

from disent_bench.registry import register_network

SIDE = 64
WIDTHS = (32, 64, 128, 256, 512)
CONDITION = 256


class ResidualBlock(nn.Module):
    """Twice a 3x3 convolution, instance norm and GELU, added to the input or its 1x1 convolution.

    With a condition ``(b, k)`` the norm has no scale and shift of its own but ``(1 + scale)`` and ``shift`` from it.
    """

    def __init__(self, before: int, after: int, condition: int = 0) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(width, after, 3, padding=1) for width in (before, after))
        self.norms = nn.ModuleList(
            nn.Linear(condition, 2 * after) if condition else nn.InstanceNorm2d(after, affine=True) for _ in range(2)
        )
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return ``(b, after, h, w)``."""
        value = x
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            value = convolution(value)
            if condition is None:
                value = norm(value)
            else:
                scale, shift = norm(condition)[:, :, None, None].chunk(2, dim=1)
                value = instance_norm(value) * (1 + scale) + shift
            value = gelu(value)
        found: Tensor = self.skip(x) + value
        return found


class Encoder(nn.Module):
    """Maps images ``(b, c, 64, 64)`` in [0, 1] to features ``(b, num_features)``; it sees them in [-1, 1]."""

    per_image = True

    def __init__(self, widths: tuple[int, ...], image_channels: int, num_features: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        before = image_channels
        for width, after in pairwise(widths):
            stages += [ResidualBlock(before, width), ResidualBlock(width, width)]
            stages += [nn.PixelUnshuffle(2), nn.Conv2d(4 * width, after, 1)]
            before = after
        self.features = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(before, before), nn.LayerNorm(before), nn.GELU())
        self.last = nn.Linear(before, num_features)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features."""
        features: Tensor = self.last(self.head(self.features(2 * images - 1)))
        return features


class DoublingStage(nn.Module):
    """Two residual blocks under a condition, each pixel four times, and a 3x3 convolution."""

    def __init__(self, width: int, after: int, condition: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(width, width, condition) for _ in range(2))
        self.last = nn.Conv2d(width, after, 3, padding=1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return ``(b, after, 2 h, 2 w)``."""
        for block in self.blocks:
            x = block(x, condition)
        doubled: Tensor = self.last(interpolate(x, scale_factor=2.0, mode="nearest"))
        return doubled


class Decoder(nn.Module):
    """Maps latents ``(b, latent_dim)`` to Bernoulli logits ``(b, c, 64, 64)``: they modulate a learned constant."""

    per_image = True

    def __init__(self, widths: tuple[int, ...], condition: int, image_channels: int, latent_dim: int) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.ones(widths[-1], 4, 4))
        self.condition = nn.Sequential(
            *(nn.Linear(latent_dim, condition), nn.LayerNorm(condition), nn.GELU()),
            *(nn.Linear(condition, condition), nn.LayerNorm(condition), nn.GELU()),
        )
        # The encoder's widths from the top; the last stage gives images.
        pairs = zip(widths[:0:-1], [*widths[-2:0:-1], image_channels], strict=True)
        self.stages = nn.ModuleList(DoublingStage(width, after, condition) for width, after in pairs)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits."""
        return self._all(z)[-1]

    def activations(self, z: Tensor) -> list[Tensor]:
        """Return the condition and what leaves each stage but the last, ``(b, ...)`` each, as Tripod penalises it."""
        return self._all(z)[:-1]

    def _all(self, z: Tensor) -> list[Tensor]:
        condition = self.condition(z)
        value = self.constant.expand(len(z), -1, -1, -1)
        found = [condition]
        for stage in self.stages:
            value = stage(value, condition)
            found.append(value)
        return found

    def latent_norms(self) -> Tensor:
        """L2 norm of the weights leaving each latent in the first layer, shape ``(latent_dim,)``."""
        return self.condition[0].weight.norm(dim=0)  # type: ignore[operator]


def build_pair(
    part: int, image_shape: tuple[int, int, int], latent_dim: int, num_features: int
) -> tuple[Encoder, Decoder]:
    """Build encoder and decoder with a ``part``-th of the authors' widths.

    Raises:
        ValueError: if the images are not 64x64.
    """
    channels, height, width = image_shape
    if (height, width) != (SIDE, SIDE):
        raise ValueError(f"takes {SIDE}x{SIDE} images, not {height}x{width}; set image_size={SIDE}")
    widths = tuple(each // part for each in WIDTHS)
    return Encoder(widths, channels, num_features), Decoder(widths, CONDITION // part, channels, latent_dim)


@register_network("hsu2024", paper="arXiv:2404.10282")
def build_whole(image_shape: tuple[int, int, int], latent_dim: int, num_features: int) -> tuple[Encoder, Decoder]:
    """Tripod's: residual blocks, instance norm, a decoder modulated by latents (Hsu et al. 2024)."""
    return build_pair(1, image_shape, latent_dim, num_features)


@register_network("hsu2024_quarter", paper="arXiv:2404.10282")
def build_quarter(image_shape: tuple[int, int, int], latent_dim: int, num_features: int) -> tuple[Encoder, Decoder]:
    """As hsu2024 with a quarter of its widths, for processors without a GPU (ours)."""
    return build_pair(4, image_shape, latent_dim, num_features)
