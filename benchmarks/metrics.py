"""Scores at the reference's size: values and times, ours beside scikit-learn's algorithms, in one run.

The case is dSprites-like: ten codes (clean, mixed and dead ones) of factors with 3, 6, 40, 32 and 32 values,
10,000 training and 5,000 test samples. scikit-learn's boosting alone takes some minutes; ``--rows 2000`` is a
quick look.

    python benchmarks/metrics.py [--rows N] [--repeats N] [--without-peer]
"""

import warnings
from functools import partial

import numpy as np
from disent_metrics import GridCodes, scores
from disent_metrics.protocol import get_protocol
from report import Report, Spread, arguments, seconds_each
from sklearn.metrics import mutual_info_score
from sklearn.svm import LinearSVC

SIZES = (3, 6, 40, 32, 32)
PROTOCOLS = ("extended", "locatello2019_downstream", "hfs2023")

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


def peer_dci(data: Data) -> Numbers:
    return scores()["dci"].function(*data, backend="sklearn")


def peer_mig(data: Data) -> Numbers:
    codes, factors = data[:2]
    binned = [np.digitize(code, np.histogram(code, 20)[1][:-1]) for code in codes.T]
    table = np.sort([[mutual_info_score(code, factor) for factor in factors.T] for code in binned], axis=0)
    entropies = [mutual_info_score(factor, factor) for factor in factors.T]
    return {"mig": float(((table[-1] - table[-2]) / entropies).mean())}


def peer_sap(data: Data) -> Numbers:
    codes, factors, test_codes, test_factors = data
    table = np.empty((codes.shape[1], factors.shape[1]))
    for i, j in np.ndindex(*table.shape):
        model = LinearSVC(C=0.01, class_weight="balanced").fit(codes[:, [i]], factors[:, j])
        table[i, j] = model.score(test_codes[:, [i]], test_factors[:, j])
    table.sort(axis=0)
    return {"sap": float((table[-1] - table[-2]).mean())}


PEERS = {"dci": peer_dci, "mig": peer_mig, "sap": peer_sap}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="training samples; half as many for testing")
    parser.add_argument("--repeats", type=int, default=3, help="runs of ours")
    parser.add_argument("--without-peer", action="store_true", help="leave scikit-learn's side out")
    given = parser.parse_args()
    rows, repeats = (1000, 1) if given.smallest else (given.rows, given.repeats)
    warnings.filterwarnings("ignore", module="sklearn")
    report = Report(__file__, given, "numpy", "numba", "scikit-learn")
    data, grid = case(rows)
    given_to_scores = dict(zip(("codes", "factors", "test_codes", "test_factors"), data, strict=True))
    given_to_scores |= {"represent": grid, "factor_sizes": SIZES}
    report.table("ours", f"score, {rows:,} + {rows // 2:,} codes", "seconds")
    report.table("scikit-learn", "score", "ours, s", "scikit-learn, s", "times", "largest difference")
    spent: dict[str, Spread] = {}
    protocols = {} if given.smallest else {name: get_protocol(name).scores for name in PROTOCOLS}
    for name in dict.fromkeys(name for names in protocols.values() for name in names) or ("mig", "sap"):
        score = scores()[name]
        call = partial(score.function, *(given_to_scores[each] for each in score.inputs))
        found = call()  # compiles, and fills the table of codes
        spent[name] = Spread.of(seconds_each(call, repeats))
        report.row("ours", name, spent[name])
        if name in PEERS and not given.without_peer:
            peer: list[Numbers] = []
            (seconds,) = seconds_each(lambda run=PEERS[name], into=peer: into.append(run(data)), 1)
            difference = max(abs(found[key] - value) for key, value in peer[0].items())
            report.row("scikit-learn", name, spent[name], seconds, seconds / spent[name].median, f"{difference:.0e}")
    if protocols:
        report.table("protocols", "protocol, codes given", "seconds")
    for protocol, names in protocols.items():
        report.row("protocols", protocol, sum(spent[name].median for name in names))
    report.close()


if __name__ == "__main__":
    main()
