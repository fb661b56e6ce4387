"""Scores of the representation, before, during and after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from disent_datasets import FactorGrid
from disent_datasets.datamodule import steps_in
from disent_metrics.encode import GridCodes
from disent_metrics.protocol import ScoreProtocol
from disent_metrics.samples import Providers
from disent_metrics.suite import SuiteResult, evaluate, evaluate_codes
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from torch import Tensor

from disent_bench.parts import is_per_image
from disent_bench.runs.callbacks.checkpoint import undisturbed
from disent_bench.runs.callbacks.providers import image_providers
from disent_bench.runs.exact import full_float32
from disent_bench.runs.floor import Floor
from disent_bench.runs.stop import Interrupted, Stop

Encode = Callable[[NDArray[np.int64]], Any]

# Images at a time: on a CPU several parts, or so few that their activations stay in the cache; on other devices more.
ENCODE_BATCH_PARTS = 128
ENCODE_BATCH_CPU = 32
ENCODE_BATCH = 512

# A larger share of test draws that were training draws too is worth a note; of dSprites it is .014 in full protocols.
MUCH_SEEN = 0.25


@torch.inference_mode()
def encode_images(module: LightningModule, grid: FactorGrid, indices: NDArray[np.int64]) -> Tensor:
    """Return the codes of the images of ``grid`` with the given numbers, in float32, on the CPU."""
    images = torch.from_numpy(grid.images(indices)).permute(0, 3, 1, 2)
    return module.encode(images.to(module.device).float() / grid.scale).float().cpu()  # type: ignore[operator]


def encode_in_batches(module: LightningModule, grid: FactorGrid, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """As `encode_images`, of any number of images."""
    return _in_batches(partial(encode_images, module, grid), indices, _batch(module))


@full_float32()
def score_module(
    module: LightningModule,
    grid: FactorGrid,
    protocol: ScoreProtocol,
    *,
    on_codes: Callable[[NDArray[np.int64], Tensor], None] | None = None,
) -> SuiteResult:
    """Compute the scores of a protocol for ``module.encode``.

    Each image is encoded at most once, unless it has a nuisance. In a grid with missing images
    the samples are drawn from those that are there, and scores that intervene on factors give their reason.
    Where many test draws show images of the training draws, a note says so. ``on_codes`` is called with the numbers of
    the images that were encoded, and their codes.
    """

    def encode(indices: NDArray[np.int64]) -> Tensor:
        codes = encode_images(module, grid, indices)
        if on_codes is not None:
            on_codes(indices, codes)
        return codes

    return score_encoding(encode, grid, protocol, image_providers(module, grid, protocol.seed), _batch(module))


def score_encoding(
    encode: Encode,
    grid: FactorGrid,
    protocol: ScoreProtocol,
    providers: Providers | None = None,
    batch: int = ENCODE_BATCH_CPU,
) -> SuiteResult:
    """Compute the scores of a protocol for a function from numbers of images to their codes, as `score_module` does."""
    result = _scored(encode, grid, protocol, providers or {}, batch)
    images = len(grid) if grid.present is None else int(grid.present.sum())
    seen = 1 - (1 - 1 / images) ** protocol.num_train if protocol.replace else 0.0
    if seen <= MUCH_SEEN or grid.nuisance:
        return result
    note = (
        f"about {seen:.0%} of the test draws show images of the training draws as well, for there are "
        f"{images} images: scores with a test set say little of images that were not seen"
    )
    return replace(result, notes=(*result.notes, note))


def _scored(encode: Encode, grid: FactorGrid, protocol: ScoreProtocol, providers: Providers, batch: int) -> SuiteResult:
    if grid.present is not None:
        rng = np.random.default_rng(protocol.seed)
        train, test = (rng.choice(grid.available, size=n) for n in (protocol.num_train, protocol.num_test))
        codes = [_in_batches(encode, rows, batch) for rows in (train, test)]
        return evaluate_codes(codes[0], grid.factors(train), codes[1], grid.factors(test), protocol=protocol)
    if grid.nuisance:
        return evaluate(
            lambda factors: encode(grid.index(factors)),
            grid.space.sizes,
            protocol,
            memoize=False,
            providers=providers,
        )
    represent = GridCodes(encode, grid.space.sizes, batch_size=batch)
    return evaluate(represent, grid.space.sizes, protocol, providers=providers)


def _in_batches(encode: Encode, indices: NDArray[np.int64], batch: int) -> NDArray[np.float32]:
    return np.concatenate([encode(part) for part in np.array_split(indices, max(1, len(indices) // batch))])


def _log(loggers: Sequence[Logger], scores: Mapping[str, float], step: int) -> None:
    for logger in loggers:
        logger.log_metrics({f"scores/{name}": value for name, value in scores.items()}, step=step)


def _batch(module: LightningModule) -> int:
    if module.device.type != "cpu":
        return ENCODE_BATCH
    return ENCODE_BATCH_PARTS if is_per_image(getattr(module, "encoder", None)) else ENCODE_BATCH_CPU


def _text(result: SuiteResult) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in result.scores.items())


@dataclass
class Scores:
    """Outcome of the evaluations of one run."""

    untrained: dict[str, float]
    final: SuiteResult | None = None


class Evaluate(Callback):
    """Scores ``module.encode`` with a protocol: once before training, a few scores every ``every`` steps, all at the
    end.

    Random generators are left as they were, so evaluating does not change the training. A signal ends an evaluation at
    once; one during training is made up for when the run is resumed.

    Args:
        grid: the data set.
        protocol: what to compute at the end.
        every: steps between two evaluations during training; 0 for none.
        during: names of the scores computed before and during training, some of the protocol's.
        key: tells this way of scoring from others; the floor of another one is not taken over from a checkpoint.
        say: where progress lines go.
        stop: of the run.
        floor: where scores of untrained networks are kept; None computes them.
    """

    def __init__(
        self,
        grid: FactorGrid,
        protocol: ScoreProtocol,
        every: int = 0,
        during: Sequence[str] = (),
        key: str = "",
        say: Callable[[str], None] = lambda line: None,
        stop: Stop | None = None,
        floor: Floor | None = None,
    ) -> None:
        unknown = [name for name in during if name not in protocol.scores]
        if unknown:
            raise ValueError(
                f"evaluate_during names {', '.join(unknown)}, not among the protocol's: {', '.join(protocol.scores)}"
            )
        self.grid, self.protocol, self.every, self.key, self.say = grid, protocol, every, key, say
        self.during = replace(protocol, scores=tuple(during))
        self.stop, self.floor = stop or Stop(), floor
        self.batches = 0
        self.owed = False
        self.scores = Scores(untrained={})

    def state_dict(self) -> dict[str, Any]:
        """Return the number of batches done, whether an evaluation was cut off, and the untrained scores."""
        return {"batches": self.batches, "owed": self.owed, "untrained": self.scores.untrained, "key": self.key}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting; the untrained network's scores are kept, if they were computed in this way."""
        self.batches, self.owed = state_dict["batches"], state_dict.get("owed", False)
        self.scores.untrained = state_dict["untrained"] if state_dict["key"] == self.key else {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the untrained network, completely: it is the floor that every table shows; or what was cut off."""
        if self.batches == 0 and not self.stop.unscored:
            self.scores.untrained = self._untrained(pl_module, trainer.loggers)
        elif self.owed:
            self._score_during(pl_module, trainer.loggers)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Score if it is time."""
        self.batches += steps_in(batch)
        if self.every and self.during.scores and self.batches % self.every == 0:
            self._score_during(pl_module, trainer.loggers)

    def _score_during(self, module: LightningModule, loggers: Sequence[Logger]) -> None:
        self.owed = True
        try:
            result = self._score(module, loggers, self.during)
        except Interrupted:
            return  # the state of this step is saved before the run stops
        self.owed = False
        self.say(f"step {self.batches}: {_text(result)}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute all scores."""
        self.finish(pl_module, trainer.loggers)

    def finish(self, module: LightningModule, loggers: Sequence[Logger]) -> None:
        """Compute all scores of the trained network."""
        self.say(
            f"scoring {self.protocol.num_train} + {self.protocol.num_test} codes: {', '.join(self.protocol.scores)}"
        )
        self.scores.final = self._score(module, loggers, self.protocol)
        self.say(_text(self.scores.final))
        for note in self.scores.final.notes:
            self.say(f"note: {note}")

    def _untrained(self, module: LightningModule, loggers: Sequence[Logger]) -> dict[str, float]:
        def compute() -> SuiteResult:
            self.say("scoring the untrained encoder, the floor of the table")
            return self._score(module, loggers, self.protocol)

        if self.floor is None:
            return dict(compute().scores)
        with self.stop.released():  # another run may be computing them
            scores, known = self.floor.scores(module, compute)
        if known:
            self.say("the floor of the table is known: another run began with this encoder")
            _log(loggers, scores, 0)
        return scores

    def take_untrained(self, scores: Mapping[str, float], loggers: Sequence[Logger]) -> None:
        """Take over scores of the untrained network, which were not computed before training."""
        self.scores.untrained = dict(scores)
        _log(loggers, scores, 0)

    def _score(self, module: LightningModule, loggers: Sequence[Logger], protocol: ScoreProtocol) -> SuiteResult:
        training = module.training
        module.eval()
        try:
            with self.stop.released():
                result: SuiteResult = undisturbed(score_module)(module, self.grid, protocol)
        finally:
            module.train(training)
        _log(loggers, result.scores, self.batches)
        return result
