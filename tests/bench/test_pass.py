"""What a pass computes, when, and what it says of what it lacks."""

from __future__ import annotations

import pytest
import torch

from disent_bench import Objective, Pass, Term
from disent_bench.forward import MissingError


def test_values_are_computed_on_first_reading_and_once() -> None:
    calls: list[str] = []

    def encode(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append("encode")
        return x.flatten(1), torch.zeros_like(x.flatten(1))

    def decode(z: torch.Tensor) -> torch.Tensor:
        calls.append("decode")
        return z.reshape(-1, 1, 2, 2)

    p = Pass(x=torch.rand(3, 1, 2, 2), encode=encode, decode=decode)
    assert calls == []
    assert p.mean is p.mean
    assert torch.equal(p.logvar, torch.zeros(3, 4))
    assert calls == ["encode"]
    assert p.z is p.z
    assert calls == ["encode"], "a pass that only gives z is not decoded"
    assert torch.equal(p.logits, p.z.reshape(-1, 1, 2, 2))
    assert calls == ["encode", "decode"]


def test_z_is_a_sample_of_the_posterior() -> None:
    torch.manual_seed(0)
    mean, logvar = torch.tensor([[1.0, -2.0]]).expand(200_000, 2), torch.tensor([[0.0, -1.0]]).expand(200_000, 2)
    z = Pass(mean=mean, logvar=logvar).z
    # standard errors of mean and deviation are below 0.0023
    torch.testing.assert_close(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.01, rtol=0)
    torch.testing.assert_close(z.std(0), torch.tensor([1.0, (-0.5 * torch.tensor(1.0)).exp()]), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("given", "read", "named"),
    [
        ({}, "x", "no 'x'"),
        ({}, "second", "no 'second'"),
        ({"mean": torch.zeros(2, 2)}, "z", "'z', which was not given: .*'logvar'.*'encode'"),
        ({"z": torch.zeros(2, 2)}, "logits", "'logits'.*no 'decode'"),
        ({"x": torch.zeros(2, 1, 2, 2)}, "mean", "'mean'.*'posterior'.*no 'encode'"),
        ({}, "latent_norms", "no 'latent_norms'"),
        ({}, "anything_else", "no 'anything_else'"),
    ],
)
def test_what_is_missing_is_named(given: dict, read: str, named: str) -> None:
    with pytest.raises(MissingError, match=named):
        getattr(Pass(**given), read)


def test_only_known_names_are_taken() -> None:
    with pytest.raises(TypeError, match="meen"):
        Pass(meen=torch.zeros(2, 2))  # type: ignore[call-arg]
    assert int(Pass(step=3).step) == 3
    assert Pass(step=3).replace(step=4).step == 4
    assert Pass().last == {}


class Given(Term):
    """A term that returns whatever it was made with."""

    name = "given"

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def forward(self, p: Pass) -> object:  # type: ignore[override]
        """Return the value."""
        return self.value


@pytest.mark.parametrize(
    ("value", "found"), [(torch.ones(3), r"a tensor of shape \(3,\)"), (torch.ones(1), r"\(1,\)"), (1.0, "not 1.0")]
)
def test_a_term_returns_a_scalar_tensor(value: object, found: str) -> None:
    with pytest.raises(ValueError, match=rf"^forward of term .given. returns a scalar tensor, .*{found}"):
        Objective(Given(value))(Pass(step=0))
    assert Objective(Given(torch.tensor(2.0)))(Pass(step=0))["given"].raw == 2
