"""Scores of codes that somebody brings as files."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import MAGIC_PREFIX
from numpy.typing import NDArray

from disent_metrics.grouping import Reduce, evaluate_groups
from disent_metrics.protocol import ScoreProtocol
from disent_metrics.suite import SuiteResult, evaluate_codes
from disent_metrics.text_tables import read_table

KINDS = (".npy", ".npz", ".pt", ".csv", ".tsv")


def evaluate_files(
    codes: Path,
    factors: Path | None,
    test_codes: Path | None,
    test_factors: Path | None,
    protocol: ScoreProtocol,
    *,
    scores: Sequence[str] = (),
    bins: int | None = None,
    groups: Sequence[int] | None = None,
    reduce: Reduce = "pca1",
) -> SuiteResult:
    """Score codes ``(n, d)``, or ``(n, groups, d)``, and factors ``(n, k)`` read from files.

    Args:
        codes: a file of `KINDS`.
        factors: likewise; None if the file of the codes holds both, by name.
        test_codes: likewise, of a test set.
        test_factors: likewise.
        protocol: of the scores.
        scores: which of them; all if empty.
        bins: cut factors that take more values than this into so many bins of equal width.
        groups: columns of each group of code dimensions; a single number holds for all groups.
        reduce: what is made of groups, see `disent_metrics.grouping.evaluate_groups`.

    Raises:
        ValueError: if a file cannot be read as an array, the arrays do not fit, or a score is unknown.
    """
    chosen = replace(protocol, scores=tuple(scores)) if scores else protocol
    if bins is not None and not 2 <= bins <= 10_000:
        raise ValueError(f"--bins is from 2 to 10000, not {bins}")
    held = read_arrays(codes) if factors is None else {}
    for name in ("factors", "codes") if factors is None else ():
        if name not in held:
            raise ValueError(f"{codes} holds no array called {name}; give --factors FILE")
    files = {
        "codes": None if held else codes,
        "factors": factors,
        "test_codes": test_codes,
        "test_factors": test_factors,
    }
    arrays = {name: held.get(name) if path is None else read_array(path, name) for name, path in files.items()}
    notes: tuple[str, ...] = ()
    if bins is not None:
        notes = _cut(arrays, bins)
    brought = arrays["codes"]
    assert brought is not None
    if groups is None and reduce == "pca1" and brought.ndim != 3:
        result = evaluate_codes(*arrays.values(), protocol=chosen)
    else:
        given = groups[0] if groups and len(groups) == 1 else groups
        result = evaluate_groups(*arrays.values(), groups=given, reduce=reduce, protocol=chosen)
    return replace(result, notes=(*notes, *result.notes))


def read_arrays(path: Path) -> dict[str, NDArray]:
    """Read the arrays of a file by their names; those of kinds that hold one have the empty name.

    Nothing in a file is executed.

    Raises:
        ValueError: if the file does not hold arrays of numbers; in one line.
        OSError: if it cannot be read.
    """
    if path.suffix not in KINDS:
        raise ValueError(f"{path} is not a {', '.join(KINDS[:-1])} or {KINDS[-1]} file")
    try:
        return _read(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged files fail in many ways
        said = "holds Python objects, which are not executed here" if _is_pickled(error) else _first_line(error)
        raise ValueError(f"{path} cannot be read as an array: {said}") from None


def read_array(path: Path, name: str) -> NDArray:
    """Read the array called ``name`` of a file, or the only one that it holds.

    Raises:
        ValueError: as `read_arrays`, and if there are several and none is called so.
    """
    found = read_arrays(path) if path.suffix not in (".csv", ".tsv") else {"": _table(path, name)}
    if name in found:
        return found[name]
    if len(found) != 1:
        raise ValueError(f"{path} holds {len(found)} arrays ({', '.join(found)}); call one {name}")
    return next(iter(found.values()))


def score_table(result: SuiteResult) -> str:
    """Return the scores as lines, with reasons for what is missing and notes about the data."""
    width = max(map(len, [*result.scores, *result.errors]), default=0)
    lines = [f"protocol {result.protocol}"]
    lines += [f"  {name:<{width}}  {value:.4f}" for name, value in result.scores.items()]
    lines += [f"  {name:<{width}}  -  {reason}" for name, reason in result.errors.items()]
    return "\n".join([*lines, *(f"note: {note}" for note in result.notes)])


def _read(path: Path) -> dict[str, NDArray]:
    if path.stat().st_size == 0:
        raise ValueError("it is empty")
    match path.suffix:
        case ".npy":
            with path.open("rb") as file:
                if file.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:
                    raise ValueError("it is not what numpy.save writes")
            return {"": np.array(np.load(path, mmap_mode="r", allow_pickle=False))}  # a map cannot outgrow its file
        case ".npz":
            with np.load(path, allow_pickle=False) as archive:
                found = {name: archive[name] for name in archive.files}
            if not found or not all(isinstance(each, np.ndarray) for each in found.values()):
                raise ValueError("it is not what numpy.savez writes" if found else "it holds no array")
            return found
        case ".pt":
            import torch  # imported where it is needed: scores of arrays need none of it

            try:
                content = torch.load(path, map_location="cpu", weights_only=True)
            except (KeyError, EOFError, IndexError, RuntimeError):
                raise ValueError("it is not what torch.save writes") from None
            if not isinstance(content, Mapping):
                content = {"": content}
            for name, value in content.items():
                if not isinstance(value, torch.Tensor):
                    raise ValueError(f"holds {type(value).__name__}{f' as {name}' if name else ''}, not a tensor")
            return {str(name): _array(value) for name, value in content.items()}
        case _:
            return {"": read_table(path)}


def _table(path: Path, name: str) -> NDArray:
    try:
        return read_table(path, words=name.endswith("factors"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _array(value: Any) -> NDArray:
    value = value.detach().to_dense()
    array: NDArray = (value.float() if value.dtype.is_floating_point and value.itemsize < 4 else value).numpy()
    return array


def _cut(arrays: dict[str, NDArray | None], bins: int) -> tuple[str, ...]:
    """Cut factors in place, of training and test at the same edges, and say which."""
    factors, test = arrays["factors"], arrays["test_factors"]
    if factors is None or factors.ndim != 2 or factors.dtype.kind not in "fiub" or not np.isfinite(factors).all():
        return ()  # which is refused, with the reason, where all arrays are checked
    columns = [np.unique(column, return_inverse=True)[1] for column in factors.T]
    many = [place for place, column in enumerate(columns) if column.max() >= bins]
    fits = test is not None and test.ndim == 2 and test.shape[1] == factors.shape[1]
    cut, cut_test = factors.copy(), test.copy() if test is not None and fits else test
    for place in many:
        edges = np.histogram_bin_edges(factors[:, place], bins)[1:-1]
        cut[:, place] = np.digitize(factors[:, place], edges)
        if cut_test is not None and test is not None and fits:
            cut_test[:, place] = np.digitize(test[:, place], edges)
    arrays["factors"], arrays["test_factors"] = _whole(cut), None if cut_test is None else _whole(cut_test)
    named = ", ".join(str(place + 1) for place in many)
    return (f"factors {named} cut into {bins} bins of equal width",) if many else ()


def _whole(values: NDArray) -> NDArray:
    """Values that are classes already, but not whole numbers, stay what they are, and are refused."""
    whole = values.astype(np.int64)
    return whole if np.array_equal(whole, values) else values


def _is_pickled(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, pickle.UnpicklingError) or "allow_pickle" in text or "weights_only" in text.lower()


def _first_line(error: Exception) -> str:
    kind = "" if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: "
    return (kind + (str(error).strip().splitlines() or [""])[0])[:200]


def add_arguments(parser: Any) -> None:
    """Add what `evaluate_arguments` takes to a parser of `argparse` or one that is like it."""
    parser.add_argument("--codes", type=Path, required=True, metavar="FILE", help="codes")
    parser.add_argument(
        "--factors", type=Path, metavar="FILE", help="classes; may be left out if the codes' file holds both by name"
    )
    parser.add_argument("--test-codes", type=Path, metavar="FILE", help="codes of a test set; else a third is held out")
    parser.add_argument("--test-factors", type=Path, metavar="FILE", help="factors of the test set")
    parser.add_argument("--protocol", type=str, default="locatello2019", help="named settings of the scores")
    parser.add_argument("--scores", type=str, metavar="A,B", help="these scores instead of all of the protocol's")
    parser.add_argument("--bins", type=int, metavar="N", help="cut factors of more than N values into N equal bins")
    parser.add_argument(
        "--groups", type=str, metavar="N[,N...]", help="columns of each group of code dimensions; one number for all"
    )
    parser.add_argument(
        "--reduce",
        choices=["pca1", "sum"],
        default="pca1",
        help="a group is scored by its first principal component, or importances are added up over it",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def evaluate_arguments(given: Any, protocol: ScoreProtocol) -> SuiteResult:
    """Score what the arguments of a command line name; errors as of `evaluate_files`."""
    return evaluate_files(
        given.codes,
        given.factors,
        given.test_codes,
        given.test_factors,
        protocol,
        scores=[name.strip() for name in given.scores.split(",")] if given.scores else (),
        bins=given.bins,
        groups=_sizes(given.groups),
        reduce=given.reduce,
    )


def shown(result: SuiteResult, *, as_json: bool) -> str:
    """Return the scores as a person reads them, or as strict JSON."""
    if not as_json:
        return score_table(result)
    scores = {name: value if math.isfinite(value) else None for name, value in result.scores.items()}
    document = {"protocol": result.protocol, "scores": scores, "errors": result.errors, "notes": result.notes}
    return json.dumps(document, indent=2, allow_nan=False)


def _sizes(groups: str | None) -> list[int] | None:
    try:
        return None if groups is None else [int(size) for size in groups.split(",")]
    except ValueError:
        raise ValueError(f"--groups are whole numbers such as 4 or 2,3,5, not {groups}") from None
