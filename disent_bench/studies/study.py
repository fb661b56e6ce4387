"""Studies: many runs that one file names, brought to their end side by side."""

from __future__ import annotations

import math
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from typing import Any

from disent_datasets import FactorGrid

from disent_bench.config.resolve import resolve
from disent_bench.config.run import RunConfig
from disent_bench.config.values import parse_seeds, parse_value
from disent_bench.config.yaml_text import read_yaml
from disent_bench.leaderboard.records import Record, read_records, reported, settings_text
from disent_bench.leaderboard.render import render
from disent_bench.leaderboard.rows import aggregate
from disent_bench.registry import unknown_name
from disent_bench.runs.folder import RunKey
from disent_bench.runs.model import load_grid, rehearse
from disent_bench.runs.train import Outcome, lay_out, run_key
from disent_bench.signatures import check_type
from disent_bench.studies.job import Job
from disent_bench.studies.launchers import launcher
from disent_bench.studies.tuning import (
    UDR,
    Tuning,
    expanded,
    values_by_agreement,
    values_by_score,
    write_choice,
)
from disent_bench.text import seeds_text

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
    "tuning": Mapping,
}
ENTRY: Tree = {"method": str, "settings": Mapping, "grid": Mapping}
TUNING: Tree = {"seeds": int | str, "by": str}
DEFAULTS: Tree = {"note": "", "settings": {}, "plugins": (), "grid": {}, "tuning": {}}


@dataclass(frozen=True)
class Study:
    """A study as its file writes it.

    Attributes:
        path: the file.
        methods: each a name or sum of names, with the settings that are its own, and a grid of settings to choose from.
        settings: settings of all runs; those of a method win.
        plugins: Python files that register what is the user's.
        tuning: how settings are chosen where there is a grid.
    """

    path: Path
    title: str
    note: str
    protocol: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Tree
    methods: tuple[tuple[str, Tree, Tree], ...]
    plugins: tuple[Path, ...]
    tuning: Tuning | None = None


@dataclass(frozen=True)
class Variant:
    """A method with settings on a data set: the runs of a study that differ in nothing but their seed.

    Attributes:
        label: what tells it apart in the study.
        overrides: its settings and those of all runs.
        group: data set and place of the entry of which one setting is chosen; None if there is no choice.
    """

    label: str
    overrides: Tree
    config: RunConfig
    group: tuple[str, int] | None = None


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
        seeds = tuple(parse_seeds(str(given["seeds"]), "seeds"))
        methods = tuple(_method(entry) for entry in given["methods"])
        tuning = _tuning(given["tuning"], seeds) if given["tuning"] else None
        if (tuning is None) == any(grid for *_, grid in methods):
            raise ValueError("a grid of settings needs tuning: {seeds: 100-104, by: mig}, and tuning a grid")
        return Study(
            path,
            **{name: given[name] for name in ("title", "note", "protocol")},
            datasets=tuple(check_type("a data set", name, str) for name in given["datasets"]),
            seeds=seeds,
            settings=_settings(given["settings"]),
            methods=methods,
            plugins=tuple(path.parent / check_type("a plugin", name, str) for name in given["plugins"]),
            tuning=tuning,
        )


def resolve_study(study: Study, device: str = "auto", data_dir: Path | None = None) -> list[Variant]:
    """Resolve every method, with every setting of its grid, on every data set, data set by data set.

    Raises:
        ValueError: if a name is unknown, a setting is unknown or bad, two entries are the same run, or the study's
            protocol lacks the score by which settings are to be chosen.
    """
    variants: dict[tuple[str, ...], Variant] = {}
    choices = [
        (place, method, {**settings, **choice}, bool(grid))
        for place, (method, settings, grid) in enumerate(study.methods)
        for choice in expanded(grid)
    ]
    for dataset, (place, method, settings, tuned) in product(study.datasets, choices):
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
            if tuned and study.tuning:
                study.tuning.check(config.scores.scores)
        group = (dataset, place) if tuned else None
        variants[same] = Variant(f"{named} on {dataset}", overrides, config, group)
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

    Everything is resolved and the data sets are prepared before the first run. Seeds come one after the other, so that
    a study that was stopped has compared its methods on the same seeds. Where settings are to be chosen, trials come
    first; of each grid the best by the study's rule is then run with the study's seeds.

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

    def jobs(wanted: Iterable[Variant], seeds: Iterable[int], kind: str) -> list[Job]:
        found = []
        for seed, variant in product(seeds, wanted):
            key, folder = lay_out(variant.config, seed, grids[_images(variant.config)], runs)
            found.append(Job(f"{variant.label}, {kind} {seed}", key, folder, variant.config.scoring, options))
        return found

    print(study.title, file=sys.stderr)
    outcomes: dict[str, Outcome] = {}
    if study.tuning:
        trials = jobs([variant for variant in variants if variant.group], study.tuning.seeds, "trial")
        outcomes = launch(trials, num_workers)
        if any(outcome.status == "interrupted" for outcome in outcomes.values()):
            return outcomes
        variants = _chosen(study.tuning, variants, trials, grids, runs)
    final = jobs(variants, study.seeds, "seed")
    grids.clear()  # the workers load their own
    return outcomes | launch(final, num_workers)


def _chosen(
    tuning: Tuning,
    variants: Sequence[Variant],
    trials: Sequence[Job],
    grids: Mapping[tuple[str, int | None], FactorGrid],
    runs: Path,
) -> list[Variant]:
    """Leave of each group the variant that the rule prefers, the first of those that are level."""
    folders = {job.folder.path.parent.name: job.folder for job in trials}
    records = _records({job.key for job in trials}, runs)
    kept: list[Variant] = []
    for group, members in groupby(variants, key=lambda variant: variant.group):
        if group is None:
            kept += members
            continue
        among = {run_key(v.config, 0, grids[_images(v.config)]).key: v for v in members}
        scoring = next(iter(among.values())).config.scoring.key
        own = [record for record in records if record.key in among and record.scoring.key == scoring]
        grid = grids[_images(next(iter(among.values())).config)]
        values = values_by_agreement(own, grid) if tuning.by == UDR else values_by_score(own, tuning.by)
        best = max(among, key=lambda key: values.get(key, -math.inf))
        for key in among:
            write_choice(folders[key], tuning, len(among), chosen=key == best)
        print(f"{among[best].label}: best {tuning.rule}, {len(among)} settings", file=sys.stderr)
        kept.append(among[best])
    return kept


def study_leaderboard(study: Study, outcomes: Iterable[Outcome], runs: Path, *, styled: bool = False) -> str:
    """Return title, note and leaderboard of a study, of its runs and no others."""
    heading = "\n".join(text for text in (study.title, study.note) if text)
    return f"{heading}\n\n{render(aggregate(study_records(outcomes, runs)), runs=runs, styled=styled)}"


def study_records(outcomes: Iterable[Outcome], runs: Path) -> list[Record]:
    """Return the results of a study's runs and no others, without the trials by which settings were chosen."""
    return reported(_records({outcome.key for outcome in outcomes}, runs))


def _records(keys: Container[RunKey], runs: Path) -> list[Record]:
    return [r for r in read_records(runs) if RunKey(r.protocol, r.dataset, r.method, r.key, r.seed) in keys]


def _images(config: RunConfig) -> tuple[str, int | None]:
    """Which images a run is trained on: the data set, and their size if it is not its own."""
    return config.dataset, config.settings.image_size


def _method(entry: Any) -> tuple[str, Tree, Tree]:
    if isinstance(entry, str):
        return entry, {}, {}
    given = _checked("an entry of methods", entry, ENTRY, DEFAULTS)
    for name, values in given["grid"].items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"grid gives {name} a list of values, not {values!r}")
    grid = {str(name): [_typed(value) for value in values] for name, values in given["grid"].items()}
    return given["method"], _settings(given["settings"]), grid


def _tuning(content: Any, reported_seeds: Sequence[int]) -> Tuning:
    given = _checked("tuning", content, TUNING, {})
    seeds = tuple(parse_seeds(str(given["seeds"]), "tuning seeds"))
    if both := sorted(set(seeds) & set(reported_seeds)):
        raise ValueError(f"seeds to choose by are others than those reported; {seeds_text(both)} is in both")
    if given["by"] == UDR and len(seeds) < 2:
        raise ValueError("udr compares models of several seeds; give tuning two or more")
    return Tuning(seeds, given["by"])


def _settings(values: Tree) -> Tree:
    return {str(name): _typed(value) for name, value in values.items()}


def _typed(value: Any) -> Any:
    """Read words as ``--set`` does, for YAML takes 1e-3 for one."""
    return parse_value(value) if isinstance(value, str) else value


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
