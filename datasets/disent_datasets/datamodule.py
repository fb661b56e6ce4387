"""Lightning data module: an endless stream of whole batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from disent_datasets.catalogue import load
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.residence import DeviceGather, Gather, Residence, place
from disent_datasets.sampling.samplers import make_sampler
from disent_datasets.sampling.stream import BatchStream

VALIDATION_SEED = 2**32 - 1
"""Of the stream that validation batches are drawn from; runs have smaller ones."""


class Batch(NamedTuple):
    """One training step's data.

    ``images`` uint8 (b, c, h, w), channels-last, where the grid's ``scale`` means 1.0; ``indices`` int64
    (b,), the image numbers; ``second`` the images of a second batch, independent of the first unless the sampler
    is about pairs, or None; ``factors`` int64 (b, k), the ground truth of ``images``.
    """

    images: Tensor
    indices: Tensor
    second: Tensor | None = None
    factors: Tensor | None = None


class Block(NamedTuple):
    """The data of several training steps, fetched in one call.

    The fields are those of a `Batch` with an axis of steps before the others; ``images`` are (steps, b, c, h, w), each
    step's channels-last.
    """

    images: Tensor
    indices: Tensor
    second: Tensor | None = None
    factors: Tensor | None = None

    def steps(self) -> Iterator[Batch]:
        """Yield each step's data."""
        for step in range(len(self.images)):
            second, factors = (None if each is None else each[step] for each in (self.second, self.factors))
            yield Batch(self.images[step], self.indices[step], second, factors)


def steps_in(batch: Any) -> int:
    """Return how many training steps a batch of any kind is for: 1 unless it is a `Block`."""
    return len(batch.images) if isinstance(batch, Block) else 1


class BatchLoader:
    """Iterates over batches; each pass continues where the last one stopped, so none is seen twice.

    With ``num_batches``, its position is a state that Lightning keeps in checkpoints: a resumed pass yields the
    batches that the interrupted one had left. An endless pass keeps none, for Lightning fetches one batch ahead
    there; it is resumed by starting the stream at the next step.

    Args:
        stream: which images each step has.
        gather: fetches them.
        num_batches: batches in one pass, endless if None.
        space: the factors that image numbers stand for.
        share: ``(rank, world size)`` of a process that trains with others; each has every ``world size``-th step of
            the stream.
        steps_at_once: yield `Block` of so many steps in place of batches; 1 yields batches.

    Raises:
        ValueError: if a pass is not a whole number of blocks.
    """

    def __init__(
        self,
        stream: BatchStream,
        gather: Gather,
        num_batches: int | None = None,
        *,
        space: FactorSpace,
        share: tuple[int, int] = (0, 1),
        steps_at_once: int = 1,
    ) -> None:
        if steps_at_once < 1 or (num_batches or 0) % steps_at_once:
            raise ValueError(f"steps_at_once: {num_batches} steps are no whole number of blocks of {steps_at_once}")
        self.stream = stream
        self.gather = gather
        self.num_batches = num_batches
        self.space = space
        self.rank, self.world = share
        self.steps_at_once = steps_at_once
        self.next_step = stream.start

    def batch(self, step: int) -> Batch:
        """The batch of one training step."""
        drawn = step * self.world + self.rank
        first, second = self.stream.step(drawn)
        nuisance = self.stream.nuisance(drawn)
        images = self.gather(first, nuisance)
        partners = None if second is None else self.gather(second, nuisance)
        return Batch(images, torch.from_numpy(first), partners, torch.from_numpy(self.space.factors(first)))

    def block(self, step: int) -> Block:
        """The batches of ``steps_at_once`` training steps, from one on."""
        drawn = [each * self.world + self.rank for each in range(step, step + self.steps_at_once)]
        indices, nuisances = [self.stream.step(each) for each in drawn], [self.stream.nuisance(each) for each in drawn]
        first = np.stack([each.first for each in indices])
        seconds = [each.second for each in indices if each.second is not None]
        images = self._gathered(first, nuisances)
        partners = self._gathered(np.stack(seconds), nuisances) if seconds else None
        factors = self.space.factors(first.reshape(-1)).reshape(*first.shape, -1)
        return Block(images, torch.from_numpy(first), partners, torch.from_numpy(factors))

    def _gathered(self, indices: NDArray[np.int64], nuisances: Sequence[np.random.Generator]) -> Tensor:
        """Images of the numbers (steps, b)."""
        if isinstance(self.gather, DeviceGather):  # whose images have no nuisance
            images = self.gather(indices.reshape(-1))
        else:
            images = torch.cat([self.gather(*each) for each in zip(indices, nuisances, strict=True)])
        return images.unflatten(0, indices.shape)

    def __iter__(self) -> Iterator[Batch | Block]:
        """Yield the batches of one pass."""
        end = None
        if self.num_batches is not None:
            done = (self.next_step - self.stream.start) % self.num_batches
            end = self.next_step - done + self.num_batches
        while end is None or self.next_step < end:
            step = self.next_step
            self.next_step += self.steps_at_once
            yield self.batch(step) if self.steps_at_once == 1 else self.block(step)

    def __len__(self) -> int:
        """Batches in one pass; TypeError if it is endless (what Lightning expects)."""
        if self.num_batches is None:
            raise TypeError("an endless stream has no length")
        return self.num_batches // self.steps_at_once

    def state_dict(self) -> dict[str, int]:
        """The step that comes next; nothing if the pass is endless."""
        return {} if self.num_batches is None else {"next_step": self.next_step}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue with the step that `state_dict` named, if it named one."""
        self.next_step = state_dict.get("next_step", self.next_step)


class FixedBatches:
    """The same few batches at each pass.

    Args:
        loader: whose first pass it is.
    """

    def __init__(self, loader: BatchLoader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        return (self.loader.batch(step) for step in range(len(self)))

    def __len__(self) -> int:
        """Batches in a pass."""
        return len(self.loader)


class DisentDataModule(lightning.LightningDataModule):
    """A registered data set as whole batches of uint8 images, drawn i.i.d. from its factors unless said otherwise.

    Batches for validation are the same at each pass and for every ``seed``: ``validation_images`` of the training
    distribution, drawn apart from the training stream (of one data set in this field, all images are training images).
    Several ranks of one training draw different batches.

    Args:
        name: a registered data set.
        batch_size: images in a batch.
        seed: chooses the stream of batches.
        data_dir: data folder, as for `disent_datasets.load`.
        source: source of the images, as for `disent_datasets.load`.
        verify: compare checksums, as for `disent_datasets.load`.
        first_batch: training step that the stream starts with; a resumed run passes its step count.
        second: add an independent second batch to every step.
        num_batches: batches in one pass over the loader, endless if None.
        residence: where the images live: ``"host"``, ``"device"``, or ``"auto"`` (on a CUDA device if they
            fit in half of its free memory, else on the host).
        sampler: which images a batch has: ``"uniform"``, ``"epochs"`` (shuffled), ``"pairs"`` (the second batch
            differs from the first in few factors), ``"correlated"`` or ``"held_out"``; see
            `disent_datasets.sampling.samplers`.
        sampler_options: the sampler's own arguments.
        validation_images: about how many images a validation has, whole batches of them.
        image_size: height and width of the images, as for `disent_datasets.load`.
        steps_at_once: train on a `Block` of so many steps in place of batches, where hooks between steps would cost
            more than steps; 1 trains on batches.

    Raises:
        ValueError: as the data set is loaded, if there is no such data set, sampler or option.
    """

    def __init__(
        self,
        name: str = "dsprites",
        *,
        batch_size: int = 64,
        seed: int = 0,
        data_dir: str | Path | None = None,
        source: str | None = None,
        verify: bool = True,
        first_batch: int = 0,
        second: bool = False,
        num_batches: int | None = None,
        residence: Residence = "auto",
        sampler: str = "uniform",
        sampler_options: Mapping[str, Any] | None = None,
        validation_images: int = 5_000,
        image_size: int | None = None,
        steps_at_once: int = 1,
    ) -> None:
        super().__init__()
        self.dataset = name
        self.batch_size = batch_size
        self.seed = seed
        self.data_dir = data_dir
        self.source = source
        self.verify = verify
        self.first_batch = first_batch
        self.second = second
        self.num_batches = num_batches
        self.residence = residence
        self.sampler = sampler
        self.sampler_options = sampler_options
        self.validation_images = validation_images
        self.image_size = image_size
        self.steps_at_once = steps_at_once
        self._grid: FactorGrid | None = None
        self._gathers: dict[torch.device, Gather] = {}

    @property
    def grid(self) -> FactorGrid:
        """The data set; loaded when first asked for."""
        if self._grid is None:
            self._grid = load(
                self.dataset,
                data_dir=self.data_dir,
                source=self.source,
                verify=self.verify,
                image_size=self.image_size,
            )
        return self._grid

    def prepare_data(self) -> None:
        """Make and store the data set if that has not been done."""
        _ = self.grid

    def setup(self, stage: str | None = None) -> None:
        """Load the data set."""
        _ = self.grid

    def train_dataloader(self) -> BatchLoader:
        """The stream of batches, from step ``first_batch`` on."""
        return self._loader(self.seed, self.first_batch, self.num_batches, self.steps_at_once)

    def val_dataloader(self) -> FixedBatches:
        """A fixed pass over batches drawn as the training's are, with a seed of its own."""
        world = 1 if self.trainer is None else self.trainer.world_size
        return FixedBatches(
            self._loader(VALIDATION_SEED, 0, max(1, self.validation_images // self.batch_size // world))
        )

    def _loader(self, seed: int, start: int, num_batches: int | None, steps_at_once: int = 1) -> BatchLoader:
        sampler = make_sampler(self.sampler, self.grid, self.sampler_options)
        return BatchLoader(
            BatchStream(self.grid, self.batch_size, seed, start, second=self.second, sampler=sampler),
            self._gathered_by(self._device()),
            num_batches,
            space=self.grid.space,
            share=(0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size),
            steps_at_once=steps_at_once,
        )

    def _gathered_by(self, device: torch.device) -> Gather:
        if device not in self._gathers:  # training and validation share what lies on a device
            self._gathers = {device: place(self.grid, self.residence, device)}
        return self._gathers[device]

    def on_after_batch_transfer(self, batch: Batch | Block, dataloader_idx: int) -> Batch | Block:
        """Turn uint8 images into float32 in [0, 1], on the device that holds them."""
        second = None if batch.second is None else self._to_float(batch.second)
        return batch._replace(images=self._to_float(batch.images), second=second)

    def _to_float(self, images: Tensor) -> Tensor:
        return images.float() if self.grid.scale == 1 else images.float() / self.grid.scale

    def _device(self) -> torch.device:
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
