"""Data sets of disentanglement research as grids of factors of variation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from disent_datasets import dsprites, lookalike
from disent_datasets.catalogue import data_folder, import_data, info, is_prepared, load, names, prepare, verify
from disent_datasets.comparison import Difference, compare
from disent_datasets.errors import DamagedError, DataError, MissingError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.own_data import grid_from_arrays, grid_from_folder
from disent_datasets.registry import register_dataset
from disent_datasets.request import DatasetInfo, Request
from disent_datasets.sampling.samplers import make_sampler
from disent_datasets.sampling.stream import BatchStream, Sampler

if TYPE_CHECKING:
    from disent_datasets.datamodule import Batch, DisentDataModule

__all__ = [
    "Batch",
    "BatchStream",
    "DamagedError",
    "DataError",
    "DatasetInfo",
    "Difference",
    "DisentDataModule",
    "FactorGrid",
    "FactorSpace",
    "MissingError",
    "Request",
    "Sampler",
    "compare",
    "data_folder",
    "dsprites",
    "grid_from_arrays",
    "grid_from_folder",
    "import_data",
    "info",
    "is_prepared",
    "load",
    "lookalike",
    "make_sampler",
    "names",
    "prepare",
    "register_dataset",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import Lightning only when the data module is asked for."""
    if name in ("Batch", "DisentDataModule"):
        from disent_datasets import datamodule

        return getattr(datamodule, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
