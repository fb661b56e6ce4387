"""docs/metrics.md names everything that is registered."""

import re
from pathlib import Path

import disent_metrics
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


@pytest.mark.parametrize("name", disent_metrics.scores())
def test_every_number_stands_in_the_table(name):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    for key in disent_metrics.scores()[name].keys:
        assert f"`{key}`" in row
    assert disent_metrics.scores()[name].rewards in row


@pytest.mark.parametrize("name", disent_metrics.PROTOCOLS)
def test_every_protocol_is_described(name):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    assert row


def test_every_class_is_named():
    for name in disent_metrics.CLASSES:
        assert f"`{name}`" in PAGE


def test_the_example_registers_a_score(monkeypatch):
    monkeypatch.setattr(disent_metrics.registry, "REGISTERED", dict(disent_metrics.registry.REGISTERED))
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "register_score" in block]
    exec(example, {"__name__": "example"})
    assert disent_metrics.registry.REGISTERED["my_score"].function([[0.0]], [[0]]) == {"my_score": 0.5}
