"""What every network promises."""

from __future__ import annotations

import torch

from disent_bench.contracts.contract import contract, require
from disent_bench.nets import build_network


@contract("network")
def shapes_fit(name: str) -> None:
    """Features and logits have the shapes they should, for grey and coloured images, or these are refused."""
    built = 0
    for channels in (1, 3):
        for latents in (4, 10):
            torch.manual_seed(0)
            try:
                encoder, decoder = build_network(name, (channels, 64, 64), latents)
            except ValueError:
                continue
            built += 1
            images = torch.rand(2, channels, 64, 64)
            features = encoder(images)
            require(features.shape == (2, 2 * latents), f"features have shape {tuple(features.shape)}")
            if decoder is not None:
                logits = decoder(torch.randn(2, latents))
                require(logits.shape == images.shape, f"logits have shape {tuple(logits.shape)}")
    require(built, "it refuses all images of 64x64 pixels")


@contract("network")
def one_seed_is_one_network(name: str) -> None:
    """One seed is one initial network."""
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        try:
            encoder, _decoder = build_network(name, (1, 64, 64), 10)
        except ValueError:
            return
        states.append(encoder.state_dict())
    same = all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    require(same, "two networks of one seed differ; draw weights from torch's generator")
