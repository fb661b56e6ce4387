"""Scores at the reference's size: values and times, ours beside scikit-learn's algorithms, in one run.

The case is dSprites-like: ten codes (clean, mixed and dead ones) of factors with 3, 6, 40, 32 and 32 values,
10,000 training and 5,000 test samples. scikit-learn's boosting alone takes some minutes; ``--rows 2000`` is a
quick look.

    python benchmarks/metrics.py [--rows N] [--repeats N] [--without-peer]
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
from disent_metrics import GridCodes, scores
from disent_metrics.estimators.parallel import available_cpus
from disent_metrics.protocol import get_protocol

SIZES = (3, 6, 40, 32, 32)
PROTOCOLS = ("extended", "locatello2019_downstream", "hfs2023")
BUDGET_SECONDS = 40

Numbers = dict[str, float]
Data = tuple[np.ndarray, ...]


def case(rows: int, seed: int = 0) -> tuple[Data, GridCodes]:
    """Training and test samples, and an encoder that looks codes up."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(5, 10)) * (rng.random((5, 10)) < 0.35)
    weights[:, :2] = np.diag([0.0, 3.0, 0.0, 0.0, 0.0])[:, :2]
    weights[:, 8:] = 0.0
    noise = np.random.default_rng(seed + 1).normal(size=(2**16, 10)) * 0.15

    def encode(indices: np.ndarray) -> np.ndarray:
        factors = np.stack(np.unravel_index(indices, SIZES), axis=1)
        clean = np.tanh((factors / np.array(SIZES) - 0.5) * 2 @ weights)
        return clean + noise[(indices * 40503) % 2**16]

    grid = GridCodes(encode, SIZES)
    train, test = (rng.integers(SIZES, size=(count, 5)) for count in (rows, rows // 2))
    return (grid(train), train, grid(test), test), grid


def timed(run: Callable[[], Numbers], repeats: int) -> tuple[Numbers, float]:
    """Result and median seconds."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        numbers = run()
        seconds.append(time.perf_counter() - begin)
    return numbers, statistics.median(seconds)


def peer_dci(data: Data) -> Numbers:
    return scores()["dci"].function(*data, backend="sklearn")


def peer_mig(data: Data) -> Numbers:
    from sklearn.metrics import mutual_info_score

    codes, factors = data[:2]
    binned = [np.digitize(code, np.histogram(code, 20)[1][:-1]) for code in codes.T]
    table = np.sort([[mutual_info_score(code, factor) for factor in factors.T] for code in binned], axis=0)
    entropies = [mutual_info_score(factor, factor) for factor in factors.T]
    return {"mig": float(((table[-1] - table[-2]) / entropies).mean())}


def peer_sap(data: Data) -> Numbers:
    from sklearn.svm import LinearSVC

    codes, factors, test_codes, test_factors = data
    table = np.empty((codes.shape[1], factors.shape[1]))
    for i, j in np.ndindex(*table.shape):
        model = LinearSVC(C=0.01, class_weight="balanced").fit(codes[:, [i]], factors[:, j])
        table[i, j] = model.score(test_codes[:, [i]], test_factors[:, j])
    table.sort(axis=0)
    return {"sap": float((table[-1] - table[-2]).mean())}


PEERS = {"dci": peer_dci, "mig": peer_mig, "sap": peer_sap}


def show(label: str, numbers: Numbers, seconds: float, note: str = "") -> None:
    values = ", ".join(f"{key} {value:.4f}" for key, value in numbers.items())
    print(f"{label:32s} {seconds:9.3f} s  {note:>9s}  {values}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000, help="training samples; half as many for testing")
    parser.add_argument("--repeats", type=int, default=3, help="runs of ours; the median is printed")
    parser.add_argument("--without-peer", action="store_true", help="leave scikit-learn's side out")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    data, grid = case(options.rows)
    print(f"{options.rows} + {options.rows // 2} samples, 10 codes, factors {SIZES}, {available_cpus()} CPUs\n")
    spent: dict[str, float] = {}
    for name in dict.fromkeys(name for protocol in PROTOCOLS for name in get_protocol(protocol).scores):
        score = scores()[name]
        arguments = {"represent": (grid, SIZES), "codes": data[:2], "unlabelled": data[:1], "split": data}[score.needs]
        score.function(*arguments)  # compiles, and fills the table of codes
        numbers, spent[name] = timed(lambda call=score.function, given=arguments: call(*given), options.repeats)
        show(name, numbers, spent[name])
        if name in PEERS and not options.without_peer:
            peer, seconds = timed(lambda run=PEERS[name]: run(data), 1)
            show(f"  scikit-learn {name}", peer, seconds, f"{seconds / spent[name]:.1f} x")
    print()
    for protocol in PROTOCOLS:
        total = sum(spent[name] for name in get_protocol(protocol).scores)
        print(f"{protocol:32s} {total:9.3f} s" + (f"  (budget {BUDGET_SECONDS} s)" if protocol == "extended" else ""))


if __name__ == "__main__":
    main()
