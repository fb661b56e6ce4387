"""Every example in the package's docstrings is run."""

import doctest
import importlib
import pkgutil

import disent_metrics
import pytest

NAMES = [module.name for module in pkgutil.walk_packages(disent_metrics.__path__, "disent_metrics.")]


@pytest.mark.parametrize("name", NAMES)
def test_examples(name):
    outcome = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert outcome.failed == 0


def test_public_functions_and_classes_have_examples():
    finder = doctest.DocTestFinder()
    for name in disent_metrics.CLASSES:
        assert any(test.examples for test in finder.find(getattr(disent_metrics, name))), name
    for score in disent_metrics.scores().values():
        module = importlib.import_module(score.function.__module__)
        assert any(test.examples for test in finder.find(score.function, module=module)), score.name
