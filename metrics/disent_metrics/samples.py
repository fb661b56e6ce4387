"""Samples that scores see: drawn from a factor grid, or chosen from given rows."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.interventions import Represent, in_chunks
from disent_metrics.inputs import Codes, Factors, Split, check_pair, check_split
from disent_metrics.protocol import ScoreProtocol
from disent_metrics.registry import INPUTS, Score
from disent_metrics.splitting import choose_rows, hold_out

Providers = Mapping[str, Callable[[], Any]]


class Samples(NamedTuple):
    """Training and test samples, and all of them for protocols in which some scores see the whole grid."""

    split: Split
    whole: tuple[Codes, Factors] | None = None

    def inputs(self, score: Score) -> dict[str, Any]:
        """What a score can take of the samples, by the names of its arguments."""
        split = self.split._asdict()
        if self.whole is None or "test_codes" in score.inputs:
            return split
        return {**split, "codes": self.whole[0], "factors": self.whole[1]}


def arguments(score: Score, given: Mapping[str, Any], providers: Providers) -> tuple[Any, ...]:
    """Positional arguments of a score: each by its name, from what is given, else from its provider.

    Raises:
        ValueError: Nothing gives one of them.
    """
    missing = [name for name in score.inputs if name not in given and name not in providers]
    if missing:
        what = "; ".join(f"{name} ({INPUTS[name]})" for name in missing)
        raise ValueError(f"{score.name} takes what codes do not give: {what}; pass providers of it")
    return tuple(given[name] if name in given else providers[name]() for name in score.inputs)


def draw_factors(sizes: NDArray[np.int64], protocol: ScoreProtocol) -> tuple[Factors, Factors]:
    """Training and test factors, drawn uniformly from the grid.

    Raises:
        ValueError: More points than the grid has are wanted without replacement.
    """
    rng = np.random.default_rng(protocol.seed)
    counts = (protocol.num_train, protocol.num_test)
    if protocol.replace:
        train, test = (rng.integers(sizes, size=(count, len(sizes))) for count in counts)
        return train, test
    points = int(np.prod(sizes))
    if points < sum(counts):
        raise ValueError(
            f"factor_sizes span {points} grid points; protocol {protocol.name!r} draws {counts[0]} + {counts[1]} "
            "without replacement, so lower num_train and num_test or set replace"
        )
    flat = rng.choice(points, size=sum(counts), replace=False)
    factors = np.stack(np.unravel_index(flat, tuple(sizes)), axis=1)
    return factors[: counts[0]], factors[counts[0] :]


def from_encoder(encoder: Represent, sizes: NDArray[np.int64], protocol: ScoreProtocol) -> Samples:
    """Samples of an encoder over the factor grid."""
    train, test = draw_factors(sizes, protocol)
    whole = None
    if protocol.whole_grid:
        points = int(np.prod(sizes))
        order = np.random.default_rng(protocol.seed).permutation(points) if protocol.shuffle else np.arange(points)
        factors = np.stack(np.unravel_index(order, tuple(sizes)), axis=1)
        whole = (in_chunks(encoder, factors), factors)
    return Samples(Split(in_chunks(encoder, train), train, in_chunks(encoder, test), test), whole)


def from_arrays(
    codes: Any, factors: Any, test_codes: Any, test_factors: Any, protocol: ScoreProtocol
) -> tuple[Samples, tuple[str, ...]]:
    """Samples of given codes, and notes on what was split off, cut or is scarce."""
    given = check_pair(codes, factors, minimum=3)
    notes: list[str] = []
    if test_codes is None:
        split = hold_out(*given, num_train=protocol.num_train, num_test=protocol.num_test, seed=protocol.seed)
        notes.append(
            f"no test set given: of {len(given[0])} rows {len(split.codes)} serve for training and "
            f"{len(split.test_codes)} for testing, chosen at random"
        )
    else:
        split = _cut(check_split(codes, factors, test_codes, test_factors, minimum=3), protocol, notes)
    if len(split.codes) < protocol.num_train or len(split.test_codes) < protocol.num_test:
        notes.append(
            f"{len(split.codes)} training and {len(split.test_codes)} test samples; the protocol asks for "
            f"{protocol.num_train} and {protocol.num_test}, and several scores depend on these numbers"
        )
    return Samples(split, given if protocol.whole_grid else None), tuple(notes)


def _cut(split: Split, protocol: ScoreProtocol, notes: list[str]) -> Split:
    """At most the protocol's number of rows, a random choice fixed by its seed."""
    train = choose_rows(len(split.codes), protocol.num_train, protocol.seed)
    test = choose_rows(len(split.test_codes), protocol.num_test, protocol.seed)
    for kind, used, given in (("training", train, split.codes), ("test", test, split.test_codes)):
        if len(used) < len(given):
            notes.append(f"{len(used)} of {len(given)} {kind} rows used, chosen at random, as the protocol asks")
    return Split(split.codes[train], split.factors[train], split.test_codes[test], split.test_factors[test])
