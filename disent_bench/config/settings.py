"""Settings of a run beside its method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from disent_bench.module import Training
from disent_bench.text import shortened


@dataclass(frozen=True)
class Settings(Training):
    """Settings of a run beside its method: those of the optimisation, and its schedule.

    Attributes:
        steps: optimiser steps.
        batch_size: images per step.
        sampler: which images a batch has: uniform, epochs, pairs, correlated or held_out (`disent_datasets`).
        sampler_options: the sampler's own arguments.
        image_size: height and width of the images if not as they are: look-alikes are rendered so, others resized.
        log_every: steps between two logged lines.
        gradient_shares: log how long each term's gradient is relative to the reconstruction's (a backward pass each).
        checkpoint_every: steps between two checkpoints.
        evaluate_every: steps between two evaluations during training; 0 for none.
        evaluate_during: names of the scores computed during training.
    """

    steps: int = 300_000
    batch_size: int = 64
    sampler: str = "uniform"
    sampler_options: Mapping[str, Any] = field(default_factory=dict)
    image_size: int | None = None
    log_every: int = 50
    gradient_shares: bool = False
    checkpoint_every: int = 5_000
    evaluate_every: int = 0
    evaluate_during: tuple[str, ...] = ("mig",)

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "latent_dim", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        mosts = dict.fromkeys(("steps", "log_every", "checkpoint_every", "evaluate_every"), MOST_STEPS)
        for name, most in {**mosts, "batch_size": LARGEST_BATCH, "latent_dim": MOST_LATENTS}.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name} is at most {most}, not {shortened(str(getattr(self, name)), 40)}")
        if len(set(self.evaluate_during)) < len(self.evaluate_during):
            raise ValueError(f"evaluate_during names a score twice: {', '.join(map(str, self.evaluate_during))}")
        if self.evaluate_every < 0:
            raise ValueError(f"evaluate_every is 0 (never) or a number of steps, not {self.evaluate_every}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is above 0, not {self.learning_rate}")
        if self.gradient_clip is not None and not self.gradient_clip > 0:
            raise ValueError(f"gradient_clip is above 0, or null for no bound, not {self.gradient_clip}")
        if self.gradient_clip_value is not None and not self.gradient_clip_value > 0:
            raise ValueError(f"gradient_clip_value is above 0, or null for no bound, not {self.gradient_clip_value}")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay is 0 or above, not {self.weight_decay}")

    def steps_at_once(self, most: int, start: int = 0) -> int:
        """Return the largest number of steps up to ``most`` after which alone anything is due, from a step on."""
        common = math.gcd(start, self.steps, self.log_every, self.checkpoint_every, self.evaluate_every)
        return max(number for number in range(1, min(most, common) + 1) if common % number == 0)

    @property
    def training(self) -> Training:
        """The part that the training module reads."""
        return Training(**{name: getattr(self, name) for name in TRAINING_NAMES})

    @property
    def data_offers(self) -> frozenset[str]:
        """What the second batch is to the first: a ``"pair"``, or an independent ``"second"`` one."""
        return frozenset({"pair" if self.sampler == "pairs" else "second"})


MOST_STEPS = 10**12
LARGEST_BATCH, MOST_LATENTS = 1_000_000, 100_000
"""Above them an array of the batch, or a layer, no longer fits into any memory."""

SETTING_NAMES = tuple(f.name for f in fields(Settings))
TRAINING_NAMES = tuple(f.name for f in fields(Training))
SCHEDULE_NAMES = ("log_every", "gradient_shares", "checkpoint_every", "evaluate_every", "evaluate_during")
