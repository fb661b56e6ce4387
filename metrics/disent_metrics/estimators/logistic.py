"""Logistic regression by scikit-learn, on one thread: its problems here are too small to share among several."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray


@contextmanager
def _small_problem() -> Iterator[None]:
    """One thread, and no word about the 100 iterations of the reference being used up."""
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def fit_logistic(inputs: Any, labels: NDArray[np.int64], **options: Any) -> Any:
    """A fitted scikit-learn ``LogisticRegression``; ``options`` are its settings."""
    from sklearn.linear_model import LogisticRegression

    with _small_problem():
        return LogisticRegression(**options).fit(inputs, labels)


def fit_logistic_cv(inputs: NDArray[Any], labels: NDArray[np.int64]) -> Any:
    """Logistic regression with its penalty chosen among ten by unshuffled five-fold cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, KFold

    penalties = {"C": np.logspace(-4, 4, 10)}
    with _small_problem():
        search = GridSearchCV(LogisticRegression(), penalties, cv=KFold(5), scoring="accuracy", error_score=0.0)
        return search.fit(inputs, labels)
