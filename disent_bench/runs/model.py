"""The module of a run: built from its configuration, rehearsed, or loaded from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import disent_datasets
import lightning
import torch
from disent_datasets import Batch, BatchStream, FactorGrid, make_sampler
from lightning import LightningModule
from torch import Tensor

from disent_bench.config.method import is_module
from disent_bench.config.run import RunConfig
from disent_bench.module import DisentModule
from disent_bench.objective import all_terms
from disent_bench.plugins import blamed, load_plugins
from disent_bench.registry import METHODS, UnknownNameError
from disent_bench.runs.callbacks.checkpoint import read_checkpoint, undisturbed
from disent_bench.runs.callbacks.evaluate import Evaluate
from disent_bench.runs.folder import RunFolder
from disent_bench.runs.quiet import quiet_lightning

REHEARSAL_BATCH = 16
Shape = tuple[int, int, int]


def build_module(config: RunConfig, image_shape: Shape, n_train: int) -> LightningModule:
    """Build the module of a configuration; initial weights come from torch's generator.

    Args:
        config: the configuration.
        image_shape: ``(channels, height, width)``.
        n_train: number of images in the training set.
    """
    base = next(iter(config.methods))
    if is_module(base):
        return METHODS[base].factory(image_shape=image_shape, **config.methods[base])
    model, settings = config.model(), config.settings
    return DisentModule(
        model.objective,
        image_shape,
        n_train,
        settings.training,
        settings.log_every,
        bottleneck=model.bottleneck,
        data=settings.data_offers,
        gradient_shares=settings.gradient_shares,
    )


def module_for(config: RunConfig, grid: FactorGrid) -> LightningModule:
    """Build the module of a configuration for the images of ``grid``."""
    return build_module(config, shape_of(grid), len(grid))


def load_grid(config: RunConfig, data_dir: Path | None = None) -> FactorGrid:
    """Load the images that a configuration trains on, in its size.

    Raises:
        DataError: if the data set is missing or damaged.
    """
    size = config.settings.image_size
    return disent_datasets.load(config.dataset, data_dir=data_dir, source=config.source, image_size=size)


def shape_of(grid: FactorGrid) -> Shape:
    """Return ``(channels, height, width)`` of the images of ``grid``."""
    height, width, channels = grid.shape
    return channels, height, width


def reads_second(module: LightningModule) -> bool:
    """Whether each step of a module takes a second batch."""
    return isinstance(module, DisentModule) and bool(module.needs & {"second", "pair"})


def load_run(folder: str | Path) -> LightningModule:
    """Return the trained module of a run, in evaluation mode, on the CPU, from its folder alone.

    Plug-ins that the run names are loaded if what they registered is not known yet.

    Returns:
        A module with ``encode(images (b, c, h, w) in [0, 1]) -> codes`` and, if it has a decoder, ``decode(codes)``.

    Raises:
        ValueError: if this is no folder of a run, or it has no checkpoint; the message says which.
        DamagedCheckpointError: an OSError, if the checkpoint cannot be read.
    """
    run = RunFolder(Path(folder))
    content = run.read_config()
    if not run.checkpoint.exists():
        raise ValueError(f"{run.path} has no checkpoint; the run has not reached its first")
    try:
        module = undisturbed(build_from)(content)
    except UnknownNameError:
        load_plugins(content.get("plugins", ()))
        module = undisturbed(build_from)(content)
    module.load_state_dict(read_checkpoint(run.checkpoint)["state_dict"])
    return module.eval()


def build_from(content: Mapping[str, Any]) -> LightningModule:
    """Build the module of what stands in the ``config.yaml`` of a run, with weights as drawn.

    Raises:
        UnknownNameError: if what it names is not registered.
        ValueError: if it is no such configuration.
    """
    config = RunConfig.from_dict(content)
    channels, height, width = content["data"]["image_shape"]
    return build_module(config, (channels, height, width), content["data"]["size"])


def rehearse(config: RunConfig, grid: FactorGrid) -> None:
    """Build what a run draws, scores and trains with, and take a step on one small batch, before anything is trained.

    Every term takes part, whatever its start. Random generators are left as they were.

    Raises:
        ValueError: if a setting has no meaning, does not fit the data, or the step fails; in one line, with the place
            in the code where it did.
    """
    settings = config.settings
    sampler = make_sampler(settings.sampler, grid, settings.sampler_options)
    Evaluate(grid, config.scores, during=settings.evaluate_during)
    with quiet_lightning():
        undisturbed(_rehearse)(config, grid, sampler)


def _rehearse(config: RunConfig, grid: FactorGrid, sampler: Any) -> None:
    module = module_for(config, grid)
    if "pair" in config.settings.data_offers and not reads_second(module):
        raise ValueError(f"sampler={config.settings.sampler}: nothing in {config.method} reads the second of a pair")
    size = min(config.settings.batch_size, REHEARSAL_BATCH)
    stream = BatchStream(grid, size, seed=0, second=reads_second(module), sampler=sampler)
    first, second = stream.step(0)
    images = [_floats(grid, indices) for indices in (first, second) if indices is not None]
    with blamed(f"method '{config.method}' fails on its first batch"):
        if isinstance(module, DisentModule):
            module.step = max(term.start for term in all_terms(module.objective))
            module.play(module.run_pass(*images), module.configure_optimizers())
        else:
            batch = Batch(images[0], torch.from_numpy(first), None, torch.from_numpy(grid.factors(first)))
            trainer = lightning.Trainer(
                fast_dev_run=True,
                accelerator="cpu",
                logger=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(module, torch.utils.data.DataLoader([batch], batch_size=None))  # type: ignore[arg-type]
        codes = module.eval().encode(images[0])  # type: ignore[operator]
        if not isinstance(codes, Tensor) or codes.ndim != 2 or len(codes) != len(images[0]):
            found = f"a tensor of shape {tuple(codes.shape)}" if isinstance(codes, Tensor) else repr(codes)
            raise ValueError(f"encode(images) returns codes ({len(images[0])}, d), not {found}")


def _floats(grid: FactorGrid, indices: Any) -> Tensor:
    return torch.from_numpy(grid.images(indices)).permute(0, 3, 1, 2).float() / grid.scale
