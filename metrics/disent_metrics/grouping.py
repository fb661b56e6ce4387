"""Scores of codes whose dimensions form groups: tokens, slots, vectors of features."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from disent_metrics.catalogue import get_score
from disent_metrics.inputs import Codes, as_array, as_codes, check_groups
from disent_metrics.protocol import ScoreProtocol, get_protocol
from disent_metrics.registry import unknown
from disent_metrics.suite import OnScore, SuiteResult, evaluate_codes

Reduce = Literal["pca1", "sum"]


def evaluate_groups(
    codes: Any,
    factors: Any,
    test_codes: Any = None,
    test_factors: Any = None,
    *,
    groups: int | Sequence[int] | None = None,
    reduce: Reduce = "pca1",
    protocol: ScoreProtocol | str = "locatello2019",
    on_score: OnScore | None = None,
) -> SuiteResult:
    """Score codes in which a group of dimensions, not a single one, is meant to hold a factor.

    Groups are told apart by their place: the third slot of one image has to mean what the third slot of another means.

    Args:
        codes: Representation, real numbers ``(n, groups, d)``, or ``(n, columns)`` with ``groups``.
        factors: Factor indices, integers ``(n, k)``.
        test_codes: Held-out representation like ``codes``, or None.
        test_factors: Their factors, or None.
        groups: Number of columns of each group, one for all or one for each, in the columns' order; None for codes of
            three dimensions.
        reduce: ``"pca1"`` puts the first principal component of a group (centred, not scaled, fitted on ``codes``) in
            its place and takes every score of that, as DisDiff does; a factor in another direction is lost.
            ``"sum"`` gives scores the codes as they are: those that add up importances add them over a group, those
            that never ask what a single dimension does have nothing to change, the others say so in ``errors``.
        protocol: A protocol or the name of a built-in one.
        on_score: As in ``evaluate``.

    Raises:
        ValueError: As ``evaluate_codes``, and if the groups do not fit the codes or ``reduce`` is unknown.

    >>> angle = 2 * np.pi * (np.arange(2000) % 8) / 8
    >>> other = np.arange(2000) // 8 % 5
    >>> codes = np.stack([np.sin(angle), np.cos(angle), other, 0 * other], axis=1).reshape(-1, 2, 2)
    >>> factors = np.stack([np.arange(2000) % 8, other], axis=1)
    >>> result = evaluate_groups(codes, factors, reduce="sum", protocol=ScoreProtocol("dci", ("dci", "mig")))
    >>> round(result.scores["dci_completeness"], 2), list(result.errors)
    (1.0, ['mig'])

    Source: DisDiff's ``evaluate.py`` (PCA of each token); sums as in MSD's DCI of subsets of latents.
    """
    if reduce not in get_args(Reduce):
        raise ValueError(unknown("reduce", str(reduce), get_args(Reduce)))
    chosen = get_protocol(protocol) if isinstance(protocol, str) else protocol
    flat, sizes = flatten(codes, groups, "codes")
    flat_test = None if test_codes is None else flatten(test_codes, groups, "test_codes")[0]
    if flat_test is not None and flat_test.shape[1] != flat.shape[1]:
        raise ValueError(f"test_codes has {flat_test.shape[1]} columns and codes has {flat.shape[1]}")
    if reduce == "pca1":
        directions, explained = first_components(flat, sizes)
        centre = flat.mean(axis=0)
        reduced = (flat - centre) @ directions
        reduced_test = None if flat_test is None else (flat_test - centre) @ directions
        result = evaluate_codes(reduced, factors, reduced_test, test_factors, protocol=chosen, on_score=on_score)
        note = (
            f"{len(sizes)} groups, each scored by its first principal component, which holds "
            f"{100 * explained.min():.0f} to {100 * explained.max():.0f} % of the group's variance"
        )
        return replace(result, notes=(note, *result.notes))
    summed = [name for name in chosen.scores if "groups" in get_score(name).settings()]
    whole = [name for name in chosen.scores if not get_score(name).by_dimension]
    settings = {**chosen.settings, **{name: {**chosen.settings.get(name, {}), "groups": sizes} for name in summed}}
    kept = tuple(name for name in chosen.scores if name in {*summed, *whole})
    result = evaluate_codes(
        flat,
        factors,
        flat_test,
        test_factors,
        protocol=replace(chosen, scores=kept, settings=settings),
        on_score=on_score,
    )
    refused = dict.fromkeys(
        (name for name in chosen.scores if name not in kept),
        "asks what single dimensions do, which has no meaning for a group; reduce=pca1 scores one number of each",
    )
    added = ", ".join(summed) or "no score here has any"
    note = f"{len(sizes)} groups; importances are added up over a group ({added})"
    return replace(result, errors={**result.errors, **refused}, notes=(note, *result.notes))


def flatten(codes: Any, groups: int | Sequence[int] | None, name: str) -> tuple[Codes, tuple[int, ...]]:
    """Return codes ``(n, columns)`` and the number of columns of each group.

    Raises:
        ValueError: If the groups do not fit.
    """
    array = as_array(codes, name)
    if array.ndim == 3:
        if groups is not None:
            raise ValueError(f"{name} has shape {array.shape}, whose second dimension are its groups; leave groups out")
        if 0 in array.shape:
            raise ValueError(f"{name} has shape {array.shape}; none of samples, groups, dimensions may be empty")
        return as_codes(array.reshape(len(array), -1), name), (array.shape[2],) * array.shape[1]
    flat = as_codes(array, name)
    if groups is None:
        raise ValueError(f"{name} has shape {array.shape}; give groups, or codes (samples, groups, dimensions)")
    columns = flat.shape[1]
    if isinstance(groups, int) and groups > 0 and columns % groups == 0:
        return flat, (groups,) * (columns // groups)
    if isinstance(groups, int):
        raise ValueError(f"{name} has {columns} columns, which are no groups of {groups}")
    return flat, check_groups(groups, columns)


def first_components(codes: Codes, sizes: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First principal directions of groups of columns, and the share of a group's variance along each.

    Args:
        codes: Finite codes ``(n, columns)``.
        sizes: Columns of each group.

    Returns:
        Directions ``(columns, groups)``, of length 1 within a group and 0 outside, the largest part positive; shares
        ``(groups,)``, 1 for a group that does not vary.
    """
    directions, shares = np.zeros((codes.shape[1], len(sizes))), np.ones(len(sizes))
    centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    for group, (size, end) in enumerate(zip(sizes, np.cumsum(sizes), strict=True)):
        part = slice(end - size, end)
        values, vectors = np.linalg.eigh(centred[:, part].T @ centred[:, part])
        first = vectors[:, -1]
        directions[part, group] = first * np.sign(first[np.abs(first).argmax()])
        if values.sum() > 0:
            shares[group] = values[-1] / values.sum()
    return directions, shares
