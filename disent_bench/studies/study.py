"""Studies: many runs that one file names, brought to their end side by side."""

from __future__ import annotations

import math
import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path

from disent_datasets import FactorGrid, data_folder

from disent_bench.config.resolve import resolve
from disent_bench.config.run import RunConfig
from disent_bench.leaderboard.records import Record, read_records, reported, settings_text
from disent_bench.leaderboard.render import render
from disent_bench.leaderboard.rows import aggregate
from disent_bench.runs.folder import RunKey
from disent_bench.runs.model import load_grid, rehearse
from disent_bench.runs.train import Outcome, lay_out, run_key
from disent_bench.studies.job import Job
from disent_bench.studies.launchers import Launcher, Resources, launcher
from disent_bench.studies.reading import Study, Tree, naming
from disent_bench.studies.supervise import supervise
from disent_bench.studies.tuning import (
    UDR,
    Tuning,
    expanded,
    values_by_agreement,
    values_by_score,
    write_choice,
)

MANY = 20
"""Configurations from which trying them takes long enough to be told."""


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
        with naming(study.path), naming(named):
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
    resources: Resources = Resources(),  # noqa: B008 (frozen)
    launcher_name: str = "local",
    retries: int = 1,
) -> dict[str, Outcome]:
    """Bring all runs of a study to their end and return how each ended, by name; those that are done are not begun.

    Everything is resolved and the data sets are prepared before the first run. Seeds come one after the other, so that
    a study that was stopped has compared its methods on the same seeds. Where settings are to be chosen, trials come
    first; of each grid the best by the study's rule is then run with the study's seeds.

    Raises:
        ValueError: as `resolve_study` and `disent_bench.runs.model.rehearse`.
    """
    if retries < 0:
        raise ValueError(f"--retries is at least 0, not {retries}")
    with closing(launcher(launcher_name, resources)) as where:
        return _launch(study, where, resources.num_workers, retries, runs, data_dir, device)


def _launch(
    study: Study,
    where: Launcher,
    num_workers: int,
    retries: int,
    runs: Path,
    data_dir: Path | None,
    device: str,
) -> dict[str, Outcome]:
    variants = resolve_study(study, device, data_dir)
    if len(variants) >= MANY:
        print(f"trying the first batch of {len(variants)} configurations", file=sys.stderr)
    grids: dict[tuple[str, int | None], FactorGrid] = {}
    for variant in variants:
        with naming(study.path), naming(variant.label):
            images = _images(variant.config)
            if images not in grids:
                grids[images] = load_grid(variant.config, data_dir)
            rehearse(variant.config, grids[images])
    data = data_folder(data_dir).absolute()

    def jobs(wanted: Iterable[Variant], seeds: Iterable[int], kind: str) -> list[Job]:
        found = []
        for seed, variant in product(seeds, wanted):
            key, folder = lay_out(variant.config, seed, grids[_images(variant.config)], runs)
            config, name = variant.config, f"{variant.label}, {kind} {seed}"
            found.append(Job(name, key, folder, config.scoring, config.settings.steps, device, data))
        return found

    print(study.title, file=sys.stderr)
    outcomes: dict[str, Outcome] = {}
    if study.tuning:
        trials = jobs([variant for variant in variants if variant.group], study.tuning.seeds, "trial")
        outcomes = supervise(trials, where, num_workers, retries)
        if any(outcome.status == "interrupted" for outcome in outcomes.values()):
            return outcomes
        variants = _chosen(study.tuning, variants, trials, grids, runs)
    final = jobs(variants, study.seeds, "seed")
    grids.clear()  # the workers load their own
    return outcomes | supervise(final, where, num_workers, retries)


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
