"""Runs beside the plain one: every score of images, a grid with holes, a nuisance, a second batch, pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import disent_datasets as dd
import disent_metrics
import numpy as np
import pytest
from disent_datasets.nuisance import NuisanceGrid

from disent_bench import Objective, register_method
from disent_bench.bottlenecks.group import Group
from disent_bench.config.resolve import resolve
from disent_bench.registry import METHODS
from disent_bench.runs.model import rehearse
from disent_bench.runs.result import Result
from disent_bench.runs.train import run
from disent_bench.terms import KL, Reconstruction

pytestmark = pytest.mark.usefixtures("no_pictures")

SHORT = {
    "steps": 4,
    "batch_size": 16,
    "evaluate_every": 0,
    "log_every": 1,
    "scores.scores": ["mig"],
    "scores.num_train": 60,
    "scores.num_test": 40,
}
SPACE = dd.FactorSpace(("row", "column", "size"), (4, 5, 3))


def squares() -> np.ndarray:
    """A white square for each row, column and size."""
    images = np.zeros((SPACE.size, 64, 64, 1), np.uint8)
    for image, (row, column, size) in zip(images, SPACE.factors(np.arange(SPACE.size)), strict=True):
        image[10 * row : 10 * row + 8 + 4 * size, 9 * column : 9 * column + 8 + 4 * size] = 255
    return images


@pytest.fixture
def own(own_data_sets: None) -> None:
    """A data set with holes and one with a nuisance, forgotten afterwards."""
    about = {"factors": SPACE, "shape": (64, 64, 1), "licence": "-", "citation": "-"}

    @dd.register_dataset("with_holes", title="Squares with holes", **about)
    def with_holes(request: dd.Request) -> dd.FactorGrid:
        kept = np.arange(SPACE.size) % 7 != 3
        return dd.grid_from_arrays(request, squares()[kept], SPACE.factors(np.flatnonzero(kept)))

    @dd.register_dataset("noisy", title="Squares in noise", nuisance="noise", **about)
    def noisy(request: dd.Request) -> dd.FactorGrid:
        whole = dd.grid_from_arrays(request, squares(), SPACE.factors(np.arange(SPACE.size)))

        def draw(base: dd.FactorGrid, numbers: np.ndarray, generator: np.random.Generator) -> np.ndarray:
            images = base.images(numbers)
            return np.maximum(images, generator.integers(100, size=images.shape, dtype=np.uint8))

        return NuisanceGrid(whole, request.info, draw, "noise 1")


def brought(method: str, dataset: str, runs: Path, data_dir: Path, **changed: Any) -> Result:
    config = resolve(method, dataset, "quick", overrides={**SHORT, **changed})
    rehearse(config, dd.load(dataset, data_dir=data_dir))
    outcome = run(config, 0, runs=runs, data_dir=data_dir, say=lambda line: None)
    assert outcome.status == "done", outcome.reason
    return Result.read(outcome.folder / "result.json")


def test_every_score_of_images(tmp_path: Path, data_dir: Path) -> None:
    of_images = ["reconstruction", "topology", "geometry"]
    result = brought("vae", "toy_grid", tmp_path, data_dir, **{"scores.scores": ["mig", *of_images]})
    assert result.errors == {}
    keys = {key for name in ("mig", *of_images) for key in disent_metrics.get_score(name).keys}
    assert set(result.scores) == set(result.untrained) == keys
    assert all(np.isfinite(value) for value in result.scores.values())
    assert 0 < result.scores["reconstruction_mse"] < 0.5


@pytest.mark.filterwarnings("ignore:.*combinations")
@pytest.mark.parametrize("dataset", ["with_holes", "noisy"])
def test_grids_with_holes_and_with_a_nuisance(own: None, dataset: str, tmp_path: Path, data_dir: Path) -> None:
    result = brought("topdis", dataset, tmp_path, data_dir, **{"methods.topdis.delay": 1})
    assert set(result.scores) == {"mig"}
    assert 0 <= result.scores["mig"] <= 1
    seen = [note for note in result.notes if "of the test draws show images of the training draws" in note]
    assert ["there are 51 images" in note for note in seen] == ([True] if dataset == "with_holes" else [])


def test_a_second_batch(tmp_path: Path, data_dir: Path) -> None:
    settings = {"methods.topdis.delay": 1}
    same = brought("topdis", "toy_grid", tmp_path, data_dir, **settings)
    second = brought("topdis", "toy_grid", tmp_path, data_dir, **settings, **{"terms.topological.batch": "second"})
    assert same.key != second.key
    assert second.training["skipped_terms"] == {}


def test_pairs_that_nobody_reads_are_refused(data_dir: Path) -> None:
    config = resolve("beta_vae", "toy_grid", "quick", overrides={"sampler": "pairs"})
    with pytest.raises(ValueError, match="sampler=pairs: nothing in beta_vae reads the second of a pair"):
        rehearse(config, dd.load("toy_grid", data_dir=data_dir))


def test_pairs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_dir: Path) -> None:
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))

    @register_method("paired")
    class Paired:
        """Weak supervision by pairs, for a test."""

        training = {"sampler": "pairs"}  # noqa: RUF012

        def bottleneck(self) -> Group:
            return Group()

        def objective(self) -> Objective:
            return Objective(Reconstruction(), KL())

    config = resolve("paired", "toy_grid", "locatello2019", overrides={"bottleneck.aggregation": "ml_vae"})
    assert config.settings.sampler == "pairs"
    assert config.bottleneck == {"name": "group", "aggregation": "ml_vae", "divergence": "kl"}
    assert config.versions["bottleneck group"] == 1
    result = brought("paired", "toy_grid", tmp_path, data_dir)
    assert set(result.scores) == {"mig"}
    with pytest.raises(ValueError, match="bottleneck 'group' needs pairs of images: take sampler=pairs"):
        brought("paired", "toy_grid", tmp_path, data_dir, sampler="uniform")
    with pytest.raises(ValueError, match=r"did you mean 'bottleneck\.aggregation'"):
        resolve("paired", "toy_grid", "quick", overrides={"bottleneck.agregation": "gvae"})
