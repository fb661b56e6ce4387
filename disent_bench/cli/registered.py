"""All names that are registered."""

from __future__ import annotations

from collections.abc import Iterable

import disent_datasets
import disent_metrics

import disent_bench.bottlenecks
import disent_bench.methods
import disent_bench.nets
import disent_bench.terms  # noqa: F401
from disent_bench.registry import BOTTLENECKS, METHODS, NETWORKS, TERMS


def registered() -> list[tuple[str, str]]:
    """Return kind and name of everything registered, parts before what is made of them."""
    found: dict[str, Iterable[str]] = {"dataset": disent_datasets.names(), "score": disent_metrics.scores()}
    found |= {"term": TERMS, "bottleneck": BOTTLENECKS, "network": NETWORKS, "method": METHODS}
    return [(kind, name) for kind, names in found.items() for name in names]
