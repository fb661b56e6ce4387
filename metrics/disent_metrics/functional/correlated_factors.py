"""The metric variants of the HFS lineage (Roth et al. 2023, and papers that build on its code)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disent_metrics.estimators.information import ranks
from disent_metrics.functional.dci import MIN_SAMPLES as DCI_SAMPLES
from disent_metrics.functional.dci import Backend, dci
from disent_metrics.functional.modularity import active_modularity
from disent_metrics.functional.mutual_information_gap import MIN_SAMPLES, mutual_information_gap
from disent_metrics.functional.sap import sap
from disent_metrics.inputs import Codes, Factors, Split, check_pair, check_split
from disent_metrics.registry import Key, register_score

SOURCE = "Roth et al. 2023 (arXiv:2210.07347), disentangling-correlated-factors"


def _unit(values: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
    """Columns mapped so that ``low`` is 0 and ``high`` is 1; a constant column becomes 0."""
    width = (high - low).astype(np.float64)
    return np.divide(values - low, width, out=np.zeros(values.shape), where=width > 0)


def _unit_split(split: Split) -> tuple[NDArray[np.float64], ...]:
    """Codes, and the ranks of the factors' values, of both sets, min-max scaled with the range of both together."""
    scaled: list[NDArray[np.float64]] = []
    codes, factors = (
        np.concatenate(both) for both in ((split.codes, split.test_codes), (split.factors, split.test_factors))
    )
    for both in (codes, ranks(factors)):
        unit = _unit(both, both.min(axis=0), both.max(axis=0))
        scaled += [unit[: len(split.codes)], unit[len(split.codes) :]]
    return tuple(scaled)


def _digitise(unit: NDArray[np.float64], num_bins: int) -> NDArray[np.int64]:
    """Equal-width bins 1 to ``num_bins`` of values between 0 and 1."""
    return np.digitize(unit, np.linspace(0, 1, num_bins + 1)[:-1]).astype(np.int64)


def _binned_pair(codes: Any, factors: Any, num_bins: int) -> tuple[Codes, Factors]:
    checked, labels = check_pair(codes, factors, minimum=MIN_SAMPLES)
    places = ranks(labels)
    return checked, _digitise(_unit(places, places.min(axis=0), places.max(axis=0)), num_bins)


@register_score(
    "hfs_mig",
    title="Mutual information gap, HFS variant",
    keys={"hfs_mig": Key()},
    min_samples=MIN_SAMPLES,
    rewards="as mig, with factors merged into 20 bins",
    source=SOURCE,
    version=2,
)
def hfs_mig(codes: Any, factors: Any, *, num_bins: int = 20) -> dict[str, float]:
    """Mutual information gap as the HFS code computes it: factors are cut into bins as the codes are.

    Factors with more values than bins lose entropy, so values differ from ``mig``. The authors use the codes of the
    whole grid.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 20 samples.
        factors: Factor indices, integers ``(n, k)``.
        num_bins: Bins per code dimension and per factor.

    Returns:
        ``{"hfs_mig": value}``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or fewer than 2 bins.

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(1600), (40, 40)), axis=1)
    >>> round(hfs_mig(factors * 1.0, factors)["hfs_mig"], 6)
    1.0
    """
    return {"hfs_mig": mutual_information_gap(*_binned_pair(codes, factors, num_bins), num_bins=num_bins)["mig"]}


@register_score(
    "hfs_modularity",
    title="Modularity, HFS variant",
    keys={"hfs_modularity": Key()},
    min_samples=MIN_SAMPLES,
    rewards="as modularity, with factors merged into 20 bins, dead dimensions left out",
    source=SOURCE,
    version=2,
)
def hfs_modularity(codes: Any, factors: Any, *, num_bins: int = 20) -> dict[str, float]:
    """Modularity as the HFS code computes it: binned factors; dead dimensions, 0/0 there, are left out here.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 20 samples.
        factors: Factor indices, integers ``(n, k)``.
        num_bins: Bins per code dimension and per factor.

    Returns:
        ``{"hfs_modularity": value}``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or fewer than 2 bins.

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(1600), (40, 40)), axis=1)
    >>> round(hfs_modularity(factors * 1.0, factors)["hfs_modularity"], 6)
    1.0
    """
    value = active_modularity(*_binned_pair(codes, factors, num_bins), num_bins=num_bins)
    return {"hfs_modularity": value["active_modularity"]}


@register_score(
    "hfs_dci",
    title="DCI, HFS variant",
    keys={
        "hfs_dci_disentanglement": Key(),
        "hfs_dci_completeness": Key(),
        "hfs_dci_informativeness_train": Key(),
        "hfs_dci_informativeness_test": Key(),
    },
    min_samples=DCI_SAMPLES,
    rewards="as dci, on min-max scaled codes",
    source=SOURCE,
)
def hfs_dci(
    codes: Any,
    factors: Any,
    test_codes: Any,
    test_factors: Any,
    *,
    backend: Backend = "exact",
    groups: Sequence[int] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """DCI as the HFS code computes it: codes are min-max scaled with the range of training and test samples.

    Trees do not care for the scale, except that values closer than 1e-7 are never separated. The authors draw the
    samples without replacement and scale with the range of the whole grid.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 100 samples.
        factors: Factor indices, integers ``(n, k)``.
        test_codes: Held-out representation ``(m, d)``.
        test_factors: Their factors ``(m, k)``.
        backend: As in ``dci``.
        groups: As in ``dci``.
        seed: As in ``dci``.

    Returns:
        The numbers of ``dci``, named ``hfs_dci_...``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``), or an unknown backend.

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(144), (3, 4, 12)), axis=1)[:, :2]
    >>> round(hfs_dci(factors * 1.0, factors, factors * 1.0, factors)["hfs_dci_completeness"], 6)
    1.0
    """
    split = check_split(codes, factors, test_codes, test_factors, minimum=DCI_SAMPLES)
    scaled, scaled_test, _, _ = _unit_split(split)
    numbers = dci(scaled, split.factors, scaled_test, split.test_factors, backend=backend, groups=groups, seed=seed)
    return {f"hfs_{key}": value for key, value in numbers.items()}


@register_score(
    "hfs_sap",
    title="Separated attribute predictability, HFS variant",
    keys={"hfs_sap": Key()},
    min_samples=MIN_SAMPLES,
    rewards="as sap, on codes and factors cut into 20 bins",
    source=SOURCE,
    version=2,
)
def hfs_sap(codes: Any, factors: Any, test_codes: Any, test_factors: Any, *, num_bins: int = 20) -> dict[str, float]:
    """SAP as the HFS code computes it: the SVM sees bin numbers of the codes and predicts bins of the factors.

    Args:
        codes: Representation, real numbers ``(n, d)``, at least 20 samples.
        factors: Factor indices, integers ``(n, k)``.
        test_codes: Held-out representation ``(m, d)``.
        test_factors: Their factors ``(m, k)``.
        num_bins: Bins per code dimension and per factor.

    Returns:
        ``{"hfs_sap": value}``, between 0 and 1, higher is better.

    Raises:
        ValueError: Bad input (see ``disent_metrics.inputs``).

    >>> import numpy as np
    >>> factors = np.stack(np.unravel_index(np.arange(400), (2, 2, 100)), axis=1)[:, :2]
    >>> hfs_sap(factors * 8.0, factors, factors * 8.0, factors)
    {'hfs_sap': 0.5}
    """
    split = check_split(codes, factors, test_codes, test_factors, minimum=MIN_SAMPLES)
    binned, binned_test, labels, test_labels = (_digitise(part, num_bins) for part in _unit_split(split))
    return {"hfs_sap": sap(binned, labels, binned_test, test_labels)["sap"]}
