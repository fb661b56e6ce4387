"""Named protocols: which scores with which sample counts, bins and seeds."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from disent_metrics.catalogue import get_score, scores
from disent_metrics.registry import unknown

LARGEST_COUNT = 10**9
LARGEST_SEED = 2**32 - 1


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except NameError:  # of a type that is imported for type checkers alone
        return {}


def _check(key: str, value: Any, hint: Any, where: str) -> None:
    """A seed is a seed, any other whole number a count; the type is that of the annotation, if there is one."""
    if hint is int:
        low, high = (0, LARGEST_SEED) if key == "seed" else (1, LARGEST_COUNT)
        wanted = f"a whole number from {low} to {high}"
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    elif hint is float:
        wanted = "a finite number"
        fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    elif hint is bool:
        wanted, fits = "true or false", isinstance(value, bool)
    elif get_origin(hint) is Literal:
        wanted, fits = f"one of {', '.join(map(str, get_args(hint)))}", value in get_args(hint)
    else:
        return
    if not fits:
        raise ValueError(f"{key} {where} is {wanted}, not {value!r}")


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
        shuffle: Whether that grid comes in random order, which scores by batches depend on; without, in the data set's.
        settings: Further keyword arguments by score, such as ``{"factor_vae": {"prune_std": 0.0}}``.
        version: Raised when the protocol asks for something else than before.

    Raises:
        ValueError: An unknown score, a setting its function does not take, or a value of another type or range.
    """

    name: str
    scores: tuple[str, ...] = ("mig", "dci", "sap", "factor_vae")
    num_train: int = 10_000
    num_test: int = 5_000
    num_bins: int = 20
    seed: int = 0
    replace: bool = True
    whole_grid: bool = False
    shuffle: bool = True
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    version: int = 1

    def __post_init__(self) -> None:
        where = f"of protocol {self.name!r}"
        for key in ("num_train", "num_test", "num_bins", "seed", "version", "replace", "whole_grid", "shuffle"):
            _check(key, getattr(self, key), bool if key in ("replace", "whole_grid", "shuffle") else int, where)
        if not isinstance(self.scores, tuple) or not all(isinstance(name, str) for name in self.scores):
            raise ValueError(f"scores {where} is a list of names such as [mig, dci], not {self.scores!r}")
        if len(set(self.scores)) < len(self.scores):
            raise ValueError(f"scores {where} names one twice: {', '.join(self.scores)}")
        for score in (*self.scores, *self.settings):
            get_score(score)
        for score, given in self.settings.items():
            known = get_score(score).settings()
            hints = _hints(get_score(score).function)
            for key, value in given.items():
                if key not in known:
                    raise ValueError(unknown(f"setting of score {score!r}", key, known))
                _check(key, value, hints.get(key), f"of score {score!r}")

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
                changes[key] = tuple(value) if key == "scores" and isinstance(value, list) else value
            elif key in known_scores:
                if not isinstance(value, Mapping):
                    raise ValueError(f"{key} of protocol {name!r} holds settings of the score by name, not {value!r}")
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
        shared = ["num_train", "num_test", "seed", "replace", "whole_grid", *(["shuffle"] if self.whole_grid else [])]
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
        ScoreProtocol("hfs2023", HFS2023, replace=False, whole_grid=True, shuffle=False, version=2),
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
