"""All scores of a protocol in one call: drawn and encoded once, and one failing score never loses the others."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.catalogue import get_score
from disent_metrics.encode import GridCodes
from disent_metrics.estimators.information import ranks
from disent_metrics.estimators.interventions import check_sizes
from disent_metrics.inputs import as_factors
from disent_metrics.protocol import ScoreProtocol, get_protocol
from disent_metrics.registry import Score
from disent_metrics.samples import Providers, arguments, from_arrays, from_encoder

OnScore = Callable[[str, dict[str, float], float], None]
Arguments = Callable[[Score], tuple[Any, ...]]


@dataclass(frozen=True)
class SuiteResult:
    """Outcome of a suite.

    Attributes:
        scores: Every number by its key.
        errors: Reason by score name, for scores that could not be computed.
        seconds: Wall-clock seconds by score name; ``encode`` is the time spent drawing and encoding samples.
        notes: What the reader of the numbers should know about the data they come from.
        protocol: Name of the protocol.
    """

    scores: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    protocol: str = ""


def evaluate(
    represent: Callable[[NDArray[np.int64]], Any],
    factor_sizes: Sequence[int],
    protocol: ScoreProtocol | str = "locatello2019",
    *,
    memoize: bool = True,
    providers: Providers | None = None,
    on_score: OnScore | None = None,
) -> SuiteResult:
    """Score an encoder over a factor grid.

    Training and test factors are two independent uniform draws; their codes are computed once and shared.

    Args:
        represent: Maps factor indices, int64 ``(n, k)``, to codes ``(n, d)``.
        factor_sizes: Number of values of each factor ``(k,)``.
        protocol: A protocol or the name of a built-in one.
        memoize: Encode each grid point at most once (see ``GridCodes``); switch it off for an encoder or a
            data set with nuisance variation.
        providers: For scores that take more than codes: functions without arguments that return an input, by its name
            (``images``, ``traversals``, ...: keys of ``disent_metrics.registry.INPUTS``).
        on_score: Called after each score with its name, its numbers (empty if it failed) and its seconds.

    Raises:
        ValueError: Unknown protocol, or factor sizes that make no sense; what a score refuses stands in
            ``errors``.

    >>> result = evaluate(lambda factors: factors * 1.0, (4, 5, 6), ScoreProtocol("mig only", ("mig",)))
    >>> result.scores["mig"] > 0.9, result.errors
    (True, {})
    """
    chosen = get_protocol(protocol) if isinstance(protocol, str) else protocol
    sizes = check_sizes(factor_sizes)
    encoder = GridCodes.from_represent(represent, factor_sizes) if memoize else represent
    begin = time.perf_counter()
    try:
        samples = from_encoder(encoder, sizes, chosen)
    except ValueError as error:  # codes that no score can use, or a grid too small for the protocol
        return SuiteResult(errors=dict.fromkeys(chosen.scores, str(error)), protocol=chosen.name)
    encoding = time.perf_counter() - begin

    def taken(score: Score) -> tuple[Any, ...]:
        given = {**samples.inputs(score), "represent": encoder, "factor_sizes": factor_sizes}
        return arguments(score, given, providers or {})

    result = _run(chosen, taken, (), on_score)
    result.seconds["encode"] = encoding
    return result


def evaluate_codes(
    codes: Any,
    factors: Any,
    test_codes: Any = None,
    test_factors: Any = None,
    *,
    protocol: ScoreProtocol | str = "locatello2019",
    on_score: OnScore | None = None,
) -> SuiteResult:
    """Score codes given as arrays.

    Without test arrays a random third (fixed by the protocol's seed) of the rows is held out. More rows than
    the protocol asks for are cut to its sample counts; fewer are used as they are. Each of these is said in
    ``notes``. Scores that intervene on factors work only if ``codes`` cover the whole factor grid.

    Args:
        codes: Representation, real numbers ``(n, d)``.
        factors: Factor indices, integers ``(n, k)``.
        test_codes: Held-out representation ``(m, d)``, or None.
        test_factors: Their factors, or None.
        protocol: A protocol or the name of a built-in one.
        on_score: As in ``evaluate``.

    Raises:
        ValueError: Bad input, or only one of the two test arrays.
    """
    chosen = get_protocol(protocol) if isinstance(protocol, str) else protocol
    if (test_codes is None) != (test_factors is None):
        raise ValueError("test_codes and test_factors go together; give both or neither")
    samples, notes = from_arrays(codes, factors, test_codes, test_factors, chosen)

    def taken(score: Score) -> tuple[Any, ...]:
        given = samples.inputs(score)
        if "represent" in score.inputs:
            labels = ranks(as_factors(factors))
            sizes = tuple(labels.max(axis=0) + 1)
            given |= {"represent": GridCodes.from_arrays(codes, labels, sizes), "factor_sizes": sizes}
        return arguments(score, given, {})

    return _run(chosen, taken, notes, on_score)


def _run(protocol: ScoreProtocol, taken: Arguments, notes: tuple[str, ...], on_score: OnScore | None) -> SuiteResult:
    result = SuiteResult(notes=notes, protocol=protocol.name)
    for name in protocol.scores:
        score = get_score(name)
        begin = time.perf_counter()
        try:
            numbers = score.function(*taken(score), **protocol.options(name))
        except Exception as error:  # a failing score must not lose the others, whatever it raises
            numbers = {}
            result.errors[name] = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        result.scores.update(numbers)
        result.seconds[name] = time.perf_counter() - begin
        if on_score is not None:
            on_score(name, numbers, result.seconds[name])
    return result
