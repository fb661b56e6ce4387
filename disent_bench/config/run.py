"""Everything that a run depends on, and its keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from disent_metrics.catalogue import get_score
from disent_metrics.protocol import ScoreProtocol

from disent_bench.config.method import Model, build_model
from disent_bench.config.settings import SCHEDULE_NAMES, SETTING_NAMES, TRAINING_NAMES, Settings
from disent_bench.runs.result import Scoring
from disent_bench.signatures import argument_hints, check_type

Tree = dict[str, Any]

LATER: Mapping[str, Any] = {
    "gradient_clip": None,
    "gradient_clip_value": None,
    "image_size": None,
    "terms.gromov_monge.value": "bounded",
    "terms.kl.reduction": "sum",
    "terms.reconstruction.reduction": "sum",
    "terms.total_correlation.estimator": "weighted",
}
"""Settings that were added, each with the value that does what was done before; with it, keys stay what they were."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that a run depends on, resolved, save its seed and the content of its data.

    Attributes:
        method: canonical name, base first, regularisers sorted: ``beta_vae+gmg+topdis``.
        dataset: name of the data set.
        source: where its images come from.
        protocol: name of the protocol.
        version: of the protocol.
        note: what a reader of its table has to know.
        settings: of training and schedule.
        methods: hyperparameters of each part of the sum, by method name.
        bottleneck: its name and settings; empty for a method that is a LightningModule of its own.
        terms: settings of each term, opponents' included, by name; empty likewise.
        scores: how the run is scored.
        changes: what the user set against the protocol.
        versions: of everything registered that the trained weights depend on, such as ``{"term kl": 1}``; for what
            is not part of this package a hash of its code.
        plugins: files to load before names are looked up; no part of the key.
    """

    method: str
    dataset: str
    source: str
    protocol: str
    version: int
    note: str
    settings: Settings
    methods: Mapping[str, Mapping[str, Any]]
    bottleneck: Mapping[str, Any]
    terms: Mapping[str, Mapping[str, Any]]
    scores: ScoreProtocol
    changes: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, int | str] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()

    def to_dict(self) -> Tree:
        """Return plain data for ``config.yaml`` and ``result.json``."""
        plain = asdict(self)
        settings = plain.pop("settings")
        if not self.terms:
            settings = {name: value for name, value in settings.items() if name not in TRAINING_NAMES}
        return json.loads(json.dumps({**plain, **settings}))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> RunConfig:
        """Return the configuration that `to_dict` wrote; further keys are passed over.

        Raises:
            ValueError: if one is missing or of the wrong type.
        """
        hints = argument_hints(Settings)
        settings = {name: check_type(name, plain[name], hints[name]) for name in SETTING_NAMES if name in plain}
        given = {f.name: plain[f.name] for f in fields(cls) if f.name in plain}
        missing = [f.name for f in fields(cls) if f.name not in plain and f.name != "settings"]
        if missing:
            raise ValueError(f"a configuration lacks {', '.join(missing)}; was it written by an older version?")
        scores = dict(given["scores"])
        return cls(
            **{
                **given,
                "settings": Settings(**settings),
                "scores": ScoreProtocol(**{**scores, "scores": tuple(scores["scores"])}),
                "plugins": tuple(given["plugins"]),
            }
        )

    @property
    def scoring(self) -> Scoring:
        """How the run is scored, as results say it."""
        own = {name.removeprefix("scores."): v for name, v in self.changes.items() if name.startswith("scores.")}
        versions = {name: get_score(name).version for name in self.scores.scores}
        return Scoring(self.scores.name, self.scores.version, _hash(self.scores.identity()), own, versions)

    def key(self, data: str) -> str:
        """Return the hash of what the trained weights depend on, the content of the data included.

        Left out are paths, devices, the schedule of logging and checkpoints, how it is scored, and the recipes of a
        sum: its terms say it all, so two ways to write one sum are one run.
        """
        return _hash({**self._meaning(), "data": data})

    def lineage(self, data: str) -> str:
        """Return the hash of all that `key` hashes but the number of steps: runs that share it are on one path."""
        meaning = self._meaning()
        meaning.pop("steps")
        return _hash({**meaning, "data": data})

    def model(self) -> Model:
        """Build objective and bottleneck, with fresh terms."""
        changes = {f"terms.{name}": settings for name, settings in self.terms.items()}
        changes["bottleneck"] = {name: value for name, value in self.bottleneck.items() if name != "name"}
        return build_model(self.methods, changes)

    def _meaning(self) -> Tree:
        meaning = self.to_dict()
        left_out = ["method", "note", "protocol", "version", "changes", "scores", "plugins", *SCHEDULE_NAMES]
        for name in [*left_out, *(["methods"] if self.terms else [])]:
            meaning.pop(name)
        for address, without in LATER.items():
            *path, name = address.split(".")
            holder = meaning
            for part in path:
                holder = holder.get(part, {})
            if name in holder and holder[name] == without:
                del holder[name]
        return meaning


def _hash(meaning: Mapping[str, Any]) -> str:
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
