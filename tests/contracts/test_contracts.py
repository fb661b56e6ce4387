"""Whatever is registered keeps its promises; none is named here. And a promise that is broken is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import disent_datasets
import pytest

from disent_bench.cli.main import main
from disent_bench.cli.registered import registered
from disent_bench.contracts import Contract, contracts_of
from disent_bench.registry import BOTTLENECKS, METHODS, NETWORKS, TERMS

LARGE = 10_000
"""Images from which a data set is left to tests that run rarely."""
SLOW = {"downstream_logistic"}  # hundreds of fits a call


def _is_at_hand(info: disent_datasets.DatasetInfo) -> bool:
    return info.offline and info.space.size <= LARGE


def _tried() -> list[pytest.param]:
    found = []
    for kind, name in registered():
        if kind == "dataset" and not _is_at_hand(disent_datasets.info(name)):
            continue  # tests/contracts/test_datasets.py
        marks = [pytest.mark.slow] if name in SLOW else []
        found += [pytest.param(each, name, id=f"{name}-{each.claim}", marks=marks) for each in contracts_of(kind)]
    return found


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    monkeypatch.setenv("DISENT_DATA", str(data_dir))


@pytest.mark.parametrize(("contract", "name"), _tried())
def test_holds(contract: Contract, name: str) -> None:
    contract.hold(name)


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    with (
        mock.patch.dict(METHODS._entries),
        mock.patch.dict(TERMS._entries),
        mock.patch.dict(BOTTLENECKS._entries),
        mock.patch.dict(NETWORKS._entries),
    ):
        yield


TERM = """
import torch
from disent_bench import Term, register_term

@register_term("{name}")
class Bad(Term):
    \"\"\"A term of a test that does something wrong.\"\"\"
    {more}
    def forward(self, p):
        {body}
"""
BROKEN_TERMS = {
    "a_vector": ("return p.z.square().mean(0)", "", "its value is"),
    "no_tensor": ("return 1.0", "", "forward returns float"),
    "no_gradient": ("return p.z.detach().mean()", "", "its value has no gradient"),
    "not_finite": ("return p.z.mean() / 0", "", "its value is"),
    "global_noise": ("return (p.z * torch.randn_like(p.z)).mean()", "", "it draws from torch's generator"),
    "ordered": ("return (p.z[0] * p.z[1]).mean()", "", "in one order"),
    "weighted": ("return self.weight.value * p.z.square().mean()", "", "its value depends on its weight"),
    "collapsing": ("return ((p.z - p.z.mean(0)) / p.z.std(0)).pow(4).mean()", "", "its value is nan"),
    "stubborn": (
        "return p.z.square().mean()",
        "def __init__(self): super().__init__()",
        "unexpected keyword argument 'weight'",
    ),
    "idle": (
        "return p.z.square().mean()",
        "def setup(self, shape, d): self.own = torch.nn.Parameter(torch.ones(3))",
        "a parameter of its own does not train",
    ),
}


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(("name", "case"), BROKEN_TERMS.items(), ids=BROKEN_TERMS)
def test_a_broken_promise_is_found(
    name: str, case: tuple[str, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body, more, message = case
    path = tmp_path / "mine.py"
    path.write_text(TERM.format(name=name, body=body, more=more))
    assert main(["check", str(path)]) == 1
    out, err = capsys.readouterr()
    assert message in out
    assert "BROKEN" in out
    assert err.endswith("promises are broken\n")


METHOD = """
import torch
from dataclasses import dataclass
from disent_bench import Objective, Term, register_method, register_term
from disent_bench.terms import KL, Reconstruction

@register_term("asking")
class Asking(Term):
    \"\"\"A term that asks the device for a value without a word.\"\"\"
    def forward(self, p):
        return p.z.square().mean() * (1 if float(p.z.detach().mean()) > 0 else 2)

@register_method("asks")
@dataclass(frozen=True)
class Asks:
    \"\"\"A method of a test with a term that asks.\"\"\"
    def objective(self):
        return Objective(Reconstruction(), KL(), Asking())
"""


@pytest.mark.usefixtures("forgotten")
def test_a_method_is_tried_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text(METHOD)
    assert main(["check", str(path)]) == 1
    out = capsys.readouterr().out
    assert "a term asks for _local_scalar_dense and does not say on_host = True" in out
    assert "holds   It trains all its parameters, is scored, and reopens from its folder" in out
    honest = METHOD.replace("    def forward", "    on_host = True\n    def forward")
    path.write_text(honest.replace('"ask', '"honestly_ask'))
    assert main(["check", str(path)]) == 0, capsys.readouterr().out


def test_what_registers_nothing_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("x = 1\n")
    assert main(["check", str(tmp_path / "mine.py")]) == 2
    assert "registers nothing" in capsys.readouterr().err
