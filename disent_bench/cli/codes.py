"""Scores of codes that somebody brings as files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from disent_metrics.suite import SuiteResult, evaluate_codes

from disent_bench.config.protocols import load_protocol, protocol_names
from disent_bench.registry import unknown_name


def evaluate_files(
    codes: Path, factors: Path, test_codes: Path | None, test_factors: Path | None, protocol: str
) -> SuiteResult:
    """Score codes ``(n, d)`` and factors ``(n, k)`` read from files.

    Raises:
        ValueError: if a file cannot be read as an array, the arrays do not fit, or the protocol is unknown.
    """
    from disent_metrics.protocol import PROTOCOLS, ScoreProtocol

    if protocol in protocol_names():
        chosen = ScoreProtocol.from_mapping(protocol, load_protocol(protocol).scores)
    elif protocol in PROTOCOLS:
        chosen = PROTOCOLS[protocol]
    else:
        raise unknown_name("protocol", protocol, {*protocol_names(), *PROTOCOLS})
    arrays = [None if path is None else read_array(path) for path in (codes, factors, test_codes, test_factors)]
    return evaluate_codes(*arrays, protocol=chosen)


def read_array(path: Path) -> np.ndarray:
    """Read one array from .npy, .npz (its only member), .csv (a heading is skipped) or .pt (a tensor).

    Raises:
        ValueError: if the file does not hold such an array.
    """
    try:
        match path.suffix:
            case ".npy":
                return np.load(path, allow_pickle=False)
            case ".npz":
                with np.load(path, allow_pickle=False) as archive:
                    if len(archive.files) != 1:
                        raise ValueError(
                            f"holds {len(archive.files)} arrays ({', '.join(archive.files)}); one is expected"
                        )
                    return archive[archive.files[0]]
            case ".csv":
                return _read_csv(path)
            case ".pt":
                return torch.load(path, map_location="cpu", weights_only=True).numpy()
    except (ValueError, zipfile.BadZipFile, AttributeError, EOFError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be read as an array: {error}") from None
    raise ValueError(f"{path} is not a .npy, .npz, .csv or .pt file")


def score_table(result: SuiteResult) -> str:
    """Return the scores as lines, with reasons for what is missing and notes about the data."""
    width = max(map(len, [*result.scores, *result.errors]), default=0)
    lines = [f"protocol {result.protocol}"]
    lines += [f"  {name:<{width}}  {value:.4f}" for name, value in result.scores.items()]
    lines += [f"  {name:<{width}}  -  {reason}" for name, reason in result.errors.items()]
    return "\n".join([*lines, *(f"note: {note}" for note in result.notes)])


def _read_csv(path: Path) -> np.ndarray:
    with path.open() as file:
        first = file.readline().strip().split(",")
    heading = any(not _is_number(word) for word in first)
    values = np.loadtxt(path, delimiter=",", skiprows=int(heading), ndmin=2)
    whole = values.astype(np.int64)
    return whole if np.array_equal(whole, values) else values


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
