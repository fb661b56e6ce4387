"""What every network promises."""

from __future__ import annotations

import torch

from disent_bench.contracts.contract import BrokenError, contract, require
from disent_bench.nets import build_network
from disent_bench.parts import is_per_image

SIDES = (64, 32, 128, 256)


def side_of(name: str) -> int:
    """Return the pixels of a side of the images that a network takes, the first of `SIDES` that it does not refuse.

    Raises:
        BrokenError: if it refuses all of them.
    """
    for side in SIDES:
        for channels in (1, 3):
            try:
                build_network(name, (channels, side, side), 4)
            except ValueError:
                continue
            return side
    raise BrokenError(f"it refuses all square images of {', '.join(map(str, SIDES))} pixels a side")


@contract("network")
def shapes_fit(name: str) -> None:
    """Features and logits have the shapes they should, for grey and coloured images, or these are refused."""
    side = side_of(name)
    for channels in (1, 3):
        for latents in (4, 10):
            torch.manual_seed(0)
            try:
                encoder, decoder = build_network(name, (channels, side, side), latents)
            except ValueError:
                continue
            images = torch.rand(2, channels, side, side)
            features = encoder(images)
            require(features.shape == (2, 2 * latents), f"features have shape {tuple(features.shape)}")
            if decoder is not None:
                logits = decoder(torch.randn(2, latents))
                require(logits.shape == images.shape, f"logits have shape {tuple(logits.shape)}")


@contract("network")
def batches_can_be_computed_in_parts(name: str) -> None:
    """If it says that it treats images one by one, it does, and draws no random numbers."""
    side = side_of(name)
    torch.manual_seed(0)
    try:
        networks = build_network(name, (1, side, side), 4)
    except ValueError:
        return
    inputs = (torch.rand(5, 1, side, side), torch.randn(5, 4))
    for network, rows in zip(networks, inputs, strict=True):
        if network is None or not is_per_image(network):
            continue
        state = torch.get_rng_state()
        whole, parts = network(rows), torch.cat([network(rows[:2]), network(rows[2:])])
        close = torch.allclose(whole, parts, rtol=1e-4, atol=1e-5)
        require(close, "its per_image is true, but what it makes of an image depends on the others of the batch")
        require(torch.equal(state, torch.get_rng_state()), "its per_image is true, but it draws random numbers")


@contract("network")
def one_seed_is_one_network(name: str) -> None:
    """One seed is one initial network."""
    side, states = side_of(name), []
    for _ in range(2):
        torch.manual_seed(0)
        try:
            encoder, _decoder = build_network(name, (1, side, side), 10)
        except ValueError:
            return
        states.append(encoder.state_dict())
    same = all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    require(same, "two networks of one seed differ; draw weights from torch's generator")
