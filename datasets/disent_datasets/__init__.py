"""Data sets of disentanglement research as grids of factors of variation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from disent_datasets import catalogue, dsprites
from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.info import DatasetInfo, Request
from disent_datasets.sampling import BatchStream
from disent_datasets.source import (
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
    "DisentDataModule",
    "FactorGrid",
    "FactorSpace",
    "Request",
    "catalogue",
    "data_folder",
    "dsprites",
    "info",
    "is_prepared",
    "load",
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
