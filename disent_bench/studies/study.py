"""Studies: many runs that one file names, brought to their end side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disent_datasets import FactorGrid

from disent_bench.config.resolve import resolve
from disent_bench.config.run import RunConfig
from disent_bench.config.values import parse_seeds, parse_value
from disent_bench.config.yaml_text import read_yaml
from disent_bench.leaderboard.records import Record, read_records, settings_text
from disent_bench.leaderboard.render import render
from disent_bench.leaderboard.rows import aggregate
from disent_bench.registry import unknown_name
from disent_bench.runs.folder import RunKey
from disent_bench.runs.model import load_grid, rehearse
from disent_bench.runs.train import Outcome, lay_out
from disent_bench.signatures import check_type
from disent_bench.studies.job import Job
from disent_bench.studies.launchers import launcher

Tree = Mapping[str, Any]
FILE: Tree = {
    "title": str,
    "note": str,
    "protocol": str,
    "datasets": tuple[Any, ...],
    "seeds": int | str,
    "settings": Mapping,
    "methods": tuple[Any, ...],
    "plugins": tuple[Any, ...],
}
ENTRY: Tree = {"method": str, "settings": Mapping}
DEFAULTS: Tree = {"note": "", "settings": {}, "plugins": ()}


@dataclass(frozen=True)
class Study:
    """A study as its file writes it.

    Attributes:
        path: the file.
        methods: each a name or sum of names, with the settings that are its own.
        settings: settings of all runs; those of a method win.
        plugins: Python files that register what is the user's.
    """

    path: Path
    title: str
    note: str
    protocol: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Tree
    methods: tuple[tuple[str, Tree], ...]
    plugins: tuple[Path, ...]


@dataclass(frozen=True)
class Variant:
    """A method with settings on a data set: the runs of a study that differ in nothing but their seed.

    Attributes:
        label: what tells it apart in the study.
        overrides: its settings and those of all runs.
    """

    label: str
    overrides: Tree
    config: RunConfig


def read_study(path: Path) -> Study:
    """Read the file of a study; names and settings are looked up by `resolve_study`.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not written as a study is; the message names the file.
    """
    with _blamed(path):
        content = read_yaml(path.read_text(encoding="utf-8"))
        given = _checked("a study", content, FILE, DEFAULTS)
        for name in ("datasets", "methods"):
            if not given[name]:
                raise ValueError(f"{name} is empty; name at least one")
        return Study(
            path,
            **{name: given[name] for name in ("title", "note", "protocol")},
            datasets=tuple(check_type("a data set", name, str) for name in given["datasets"]),
            seeds=tuple(parse_seeds(str(given["seeds"]), "seeds")),
            settings=_settings(given["settings"]),
            methods=tuple(_method(entry) for entry in given["methods"]),
            plugins=tuple(path.parent / check_type("a plugin", name, str) for name in given["plugins"]),
        )


def resolve_study(study: Study, device: str = "auto", data_dir: Path | None = None) -> list[Variant]:
    """Resolve every method on every data set, data set by data set.

    Raises:
        ValueError: if a name is unknown, a setting is unknown or bad, or two entries are the same run.
    """
    variants: dict[tuple[str, ...], Variant] = {}
    for dataset in study.datasets:
        for method, settings in study.methods:
            overrides = {**study.settings, **settings}
            named = f"{method} [{settings_text(settings)}]" if settings else method
            with _blamed(study.path), _blamed(named):
                config = resolve(
                    method,
                    dataset,
                    study.protocol,
                    overrides=overrides,
                    plugins=study.plugins,
                    device=device,
                    data_dir=data_dir,
                )
                same = (config.dataset, config.key(""), config.scoring.key)
                if same in variants:
                    raise ValueError(f"the same run as {variants[same].label}; keep one")
            variants[same] = Variant(f"{named} on {dataset}", overrides, config)
    return list(variants.values())


def run_study(
    study: Study,
    *,
    runs: Path,
    data_dir: Path | None = None,
    device: str = "auto",
    num_workers: int = 1,
    launcher_name: str = "local",
) -> dict[str, Outcome]:
    """Bring all runs of a study to their end and return how each ended, by name; those that are done are not begun.

    Everything is resolved, the data sets are prepared and the folders laid out before the first run. Seeds come one
    after the other, so that a study that was stopped has compared its methods on the same seeds.

    Raises:
        ValueError: as `resolve_study` and `disent_bench.runs.model.rehearse`.
    """
    if num_workers < 1:
        raise ValueError(f"--workers is at least 1, not {num_workers}")
    launch = launcher(launcher_name)
    variants = resolve_study(study, device, data_dir)
    grids: dict[tuple[str, int | None], FactorGrid] = {}
    for variant in variants:
        with _blamed(study.path), _blamed(variant.label):
            images = _images(variant.config)
            if images not in grids:
                grids[images] = load_grid(variant.config, data_dir)
            rehearse(variant.config, grids[images])
    options = ["--device", device, *(["--data-dir", str(data_dir)] if data_dir else [])]
    jobs = []
    for seed in study.seeds:
        for variant in variants:
            key, folder = lay_out(variant.config, seed, grids[_images(variant.config)], runs)
            jobs.append(Job(f"{variant.label}, seed {seed}", key, folder, variant.config.scoring, options))
    grids.clear()  # the workers load their own
    print(study.title, file=sys.stderr)
    return launch(jobs, num_workers)


def study_leaderboard(study: Study, outcomes: Iterable[Outcome], runs: Path, *, styled: bool = False) -> str:
    """Return title, note and leaderboard of a study, of its runs and no others."""
    heading = "\n".join(text for text in (study.title, study.note) if text)
    return f"{heading}\n\n{render(aggregate(study_records(outcomes, runs)), runs=runs, styled=styled)}"


def study_records(outcomes: Iterable[Outcome], runs: Path) -> list[Record]:
    """Return the results of a study's runs and no others."""
    keys = {outcome.key for outcome in outcomes}
    return [r for r in read_records(runs) if RunKey(r.protocol, r.dataset, r.method, r.key, r.seed) in keys]


def _images(config: RunConfig) -> tuple[str, int | None]:
    """Which images a run is trained on: the data set, and their size if it is not its own."""
    return config.dataset, config.settings.image_size


def _method(entry: Any) -> tuple[str, Tree]:
    if isinstance(entry, str):
        return entry, {}
    given = _checked("an entry of methods", entry, ENTRY, DEFAULTS)
    return given["method"], _settings(given["settings"])


def _settings(values: Tree) -> Tree:
    """Read words as ``--set`` does, for YAML takes 1e-3 for one."""
    return {str(name): parse_value(value) if isinstance(value, str) else value for name, value in values.items()}


def _checked(kind: str, content: Any, hints: Mapping[str, Any], defaults: Tree) -> dict[str, Any]:
    if not isinstance(content, Mapping):
        raise ValueError(f"{kind} has the keys {', '.join(hints)}; this is {content!r}")
    for name in content:
        if name not in hints:
            raise unknown_name(f"key of {kind}", str(name), hints)
    missing = [name for name in hints if name not in content and name not in defaults]
    if missing:
        raise ValueError(f"{kind} lacks {', '.join(missing)}")
    return {name: check_type(name, content.get(name, defaults.get(name)), hint) for name, hint in hints.items()}


@contextmanager
def _blamed(source: Path | str) -> Iterator[None]:
    """Put the name of where a mistake was made before its message."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
