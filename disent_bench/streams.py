"""Random numbers of one part of a model, which no other part's draws disturb."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def seed_for(name: str) -> int:
    """Return a seed for the part of a model called ``name``, made from torch's own seed."""
    digest = hashlib.sha256(f"{torch.initial_seed()} {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def seeded_apart(name: str) -> Iterator[None]:
    """Seed torch's generator for the part called ``name``, and leave it afterwards as it was before."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_for(name))
        yield


class Stream(nn.Module):
    """A generator for each device on which numbers are drawn, seeded by torch's seed and a name, saved with the model.

    Args:
        name: tells it apart from other streams of the model.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._generators: dict[str, torch.Generator] = {}
        self._saved: dict[str, torch.Tensor] = {}

    def on(self, device: torch.device) -> torch.Generator:
        """Return the generator that draws on ``device``."""
        if device.type not in self._generators:
            generator = torch.Generator(device)
            generator.manual_seed(seed_for(self.name))
            if device.type in self._saved:
                generator.set_state(self._saved.pop(device.type))
            self._generators[device.type] = generator
        return self._generators[device.type]

    def get_extra_state(self) -> dict[str, Any]:
        """The states of the generators in use."""
        return self._saved | {device: each.get_state() for device, each in self._generators.items()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from the saved states."""
        self._generators.clear()
        self._saved = {device: each.cpu() for device, each in state.items()}
