"""Named protocols: which scores with which sample counts, bins and seeds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from disent_metrics.catalogue import get_score, scores
from disent_metrics.registry import unknown


@dataclass(frozen=True)
class ScoreProtocol:
    """A named set of scores and everything that their values depend on.

    Scores of different protocols are not comparable; the name is stored with each score.

    Attributes:
        name: Name of the protocol.
        scores: Names of the scores, in the order of computation.
        num_train: Training samples, drawn independently and uniformly from the factor grid.
        num_test: Test samples, a second independent draw.
        num_bins: Bins per code dimension, for every score that bins codes.
        seed: Seed of all draws and of every score that takes one.
        replace: Whether training and test factors are drawn with replacement; without, no grid point is drawn twice.
        whole_grid: Whether scores that need no test set see the whole factor grid instead of a sample.
        settings: Further keyword arguments by score, such as ``{"factor_vae": {"prune_std": 0.0}}``.
        version: Raised when the protocol asks for something else than before.

    Raises:
        ValueError: An unknown score, a setting its function does not take, or a count below 1.
    """

    name: str
    scores: tuple[str, ...] = ("mig", "dci", "sap", "factor_vae")
    num_train: int = 10_000
    num_test: int = 5_000
    num_bins: int = 20
    seed: int = 0
    replace: bool = True
    whole_grid: bool = False
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    version: int = 1

    def __post_init__(self) -> None:
        for count in ("num_train", "num_test", "num_bins", "version"):
            value = getattr(self, count)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{count} of protocol {self.name!r} is {value!r}; a positive integer is needed")
        for score in (*self.scores, *self.settings):
            get_score(score)
        for score, given in self.settings.items():
            for key in given:
                if key not in get_score(score).settings():
                    raise ValueError(unknown(f"setting of score {score!r}", key, get_score(score).settings()))

    @classmethod
    def from_mapping(cls, name: str, mapping: Mapping[str, Any]) -> "ScoreProtocol":
        """Protocol from a parsed configuration that holds only what differs from a known protocol.

        The starting point is the built-in protocol named by the key ``base``, else the built-in one called
        ``name``, else the defaults above. Keys are this class's attributes (``scores`` is a list); any other
        key must be a score's name, and holds settings of that score.

        >>> protocol = ScoreProtocol.from_mapping("mine", {"scores": ["mig"], "num_train": 500})
        >>> protocol.num_train, protocol.num_bins
        (500, 20)
        >>> ScoreProtocol.from_mapping("mine", {"num_trian": 500})
        Traceback (most recent call last):
        ...
        ValueError: unknown key of protocol 'mine' 'num_trian', did you mean 'num_train'? known: ...

        Raises:
            ValueError: An unknown key, score or setting; the message proposes the nearest name.
        """
        given = dict(mapping)
        base = get_protocol(given.pop("base")) if "base" in given else PROTOCOLS.get(name, cls(name))
        own = {f.name for f in fields(cls)} - {"name", "settings"}
        known_scores = scores()
        changes: dict[str, Any] = {"name": name}
        settings = {score: dict(values) for score, values in base.settings.items()}
        for key, value in given.items():
            if key in own:
                changes[key] = tuple(value) if key == "scores" else value
            elif key in known_scores and isinstance(value, Mapping):
                settings[key] = {**settings.get(key, {}), **value}
            else:
                raise ValueError(unknown(f"key of protocol {name!r}", key, [*own, "base", *known_scores]))
        return replace(base, settings=settings, **changes)

    @property
    def label(self) -> str:
        """Name and version, such as ``locatello2019@1``."""
        return f"{self.name}@{self.version}"

    def identity(self) -> dict[str, Any]:
        """All that the numbers depend on, the name of the protocol aside, as plain data for a key.

        For every score its version and its options as they are resolved; the samples that the scores share.
        """
        shared = ("num_train", "num_test", "seed", "replace", "whole_grid")
        scores = {name: {"version": get_score(name).version, **self.options(name)} for name in sorted(self.scores)}
        return {**{name: getattr(self, name) for name in shared}, "scores": scores}

    def options(self, score: str) -> dict[str, Any]:
        """Keyword arguments for one score's function."""
        shared = {"num_bins": self.num_bins, "seed": self.seed}
        accepted = get_score(score).settings()
        return {key: value for key, value in shared.items() if key in accepted} | dict(self.settings.get(score, {}))

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, for a result file."""
        return asdict(self) | {"scores": list(self.scores)}


LOCATELLO2019 = ("beta_vae", "factor_vae", "mig", "dci", "modularity", "explicitness", "sap", "irs", "unsupervised")
HFS2023 = ("hfs_mig", "hfs_dci", "hfs_sap", "hfs_modularity", "factorized_support")

PROTOCOLS: dict[str, ScoreProtocol] = {
    protocol.name: protocol
    for protocol in (
        ScoreProtocol("locatello2019", LOCATELLO2019),
        ScoreProtocol("locatello2019_downstream", ("downstream_trees", "downstream_logistic")),
        ScoreProtocol("hfs2023", HFS2023, replace=False, whole_grid=True),
        ScoreProtocol("extended", (*LOCATELLO2019, "active_modularity", "info_mec", "factorized_support")),
        ScoreProtocol(
            "quick",
            num_train=5_000,
            num_test=2_500,
            settings={"factor_vae": {"num_train": 2_000, "num_eval": 1_000, "num_variance": 5_000}},
        ),
    )
}


def get_protocol(name: str) -> ScoreProtocol:
    """The built-in protocol called ``name``.

    Raises:
        ValueError: There is none; the message lists what exists.
    """
    if name not in PROTOCOLS:
        raise ValueError(unknown("protocol", name, PROTOCOLS))
    return PROTOCOLS[name]
