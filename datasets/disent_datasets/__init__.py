"""Data sets of disentanglement research as grids of factors of variation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from disent_datasets import cars3d, catalogue, dsprites, lookalike, mpi3d, shapes3d, smallnorb
from disent_datasets.comparison import Difference, compare
from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.info import DatasetInfo, Request
from disent_datasets.own_data import grid_from_arrays, grid_from_folder
from disent_datasets.samplers import make_sampler
from disent_datasets.sampling import BatchStream, Sampler
from disent_datasets.source import (
    begun,
    data_folder,
    info,
    is_prepared,
    load,
    names,
    prepare,
    register_dataset,
    verify,
)

if TYPE_CHECKING:
    from disent_datasets.datamodule import Batch, DisentDataModule

__all__ = [
    "Batch",
    "BatchStream",
    "DataError",
    "DatasetInfo",
    "Difference",
    "DisentDataModule",
    "FactorGrid",
    "FactorSpace",
    "Request",
    "Sampler",
    "begun",
    "cars3d",
    "catalogue",
    "compare",
    "data_folder",
    "dsprites",
    "grid_from_arrays",
    "grid_from_folder",
    "info",
    "is_prepared",
    "load",
    "lookalike",
    "make_sampler",
    "mpi3d",
    "names",
    "prepare",
    "register_dataset",
    "shapes3d",
    "smallnorb",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import Lightning only when the data module is asked for."""
    if name in ("Batch", "DisentDataModule"):
        from disent_datasets import datamodule

        return getattr(datamodule, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
