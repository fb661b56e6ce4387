import os

import pytest
from disent_metrics.estimators.parallel import available_cpus


@pytest.mark.parametrize(("told", "cpus"), [("2", 2), ("3,1", 3), ("64", 8), ("0", 1), ("", 8), ("all", 8)])
def test_scores_have_no_more_threads_than_openmp_is_told(told, cpus, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert available_cpus() == cpus
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert available_cpus() == 8
