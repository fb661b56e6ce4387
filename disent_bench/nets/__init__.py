"""Encoders and decoders, named after the papers that use them: one family per file."""

from __future__ import annotations

import inspect

from torch import nn

from disent_bench.registry import NETWORKS, import_modules

import_modules(__name__)


def build_network(
    name: str, image_shape: tuple[int, int, int], latent_dim: int = 10, num_features: int | None = None
) -> tuple[nn.Module, nn.Module | None]:
    """Build the encoder and decoder called ``name``.

    Args:
        name: a registered network.
        image_shape: ``(channels, height, width)``.
        latent_dim: number of latents.
        num_features: how many features the encoder gives for each image; two for each latent if None.

    Raises:
        ValueError: if the name is unknown, the network refuses the images, or cannot give that many features.
    """
    build = NETWORKS[name].factory
    wanted = 2 * latent_dim if num_features is None else num_features
    told = {"num_features": wanted} if "num_features" in inspect.signature(build).parameters else {}
    if not told and wanted != 2 * latent_dim:
        raise ValueError(
            f"network '{name}' gives two features for each latent, {wanted} are needed in all; give its function an "
            "argument num_features"
        )
    try:
        encoder, decoder = build(image_shape, latent_dim, **told)
    except ValueError as error:
        raise ValueError(f"network '{name}': {error}") from error
    return encoder, decoder
