from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from disent_bench.forward import Pass
from disent_bench.gradients import accumulate_gradients
from disent_bench.objective import Objective, Part, Term


class Direction(Term):
    """Value of a fixed direction, so that its gradient is that direction."""

    name = "unset"

    def __init__(self, direction: Tensor, **common: object) -> None:
        super().__init__(**common)  # type: ignore[arg-type]
        self.direction = direction

    def forward(self, p: Pass) -> Tensor:
        return (torch.cat([x.flatten() for x in PARAMETERS]) * self.direction).sum()


PARAMETERS = [nn.Parameter(torch.zeros(2, 2, dtype=torch.float64)), nn.Parameter(torch.zeros(3, dtype=torch.float64))]


def gradient_of(**directions: tuple[Tensor, str | None]) -> tuple[Tensor, dict[str, Tensor]]:
    terms = []
    for name, (direction, guard) in directions.items():
        kind = type(name, (Direction,), {"name": name})
        terms.append(kind(direction, orthogonal_to=guard))
    objective = Objective(*terms)
    for parameter in PARAMETERS:
        parameter.grad = None
    parts = {t.name: _part(t) for t in objective}
    cosines = accumulate_gradients(objective, parts, {"encoder": PARAMETERS[:1], "decoder": PARAMETERS[1:]})
    return torch.cat([p.grad.flatten() for p in PARAMETERS]), cosines  # type: ignore[union-attr]


def _part(term: Term) -> Part:
    raw = term(Pass())
    return Part(raw, term.weight(raw, torch.tensor(0), {}))


@pytest.fixture
def directions() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(7, dtype=torch.float64, generator=generator) for _ in range(3))  # type: ignore[return-value]


def test_without_a_guard_gradients_add_up(directions) -> None:
    a, b, c = directions
    total, cosines = gradient_of(a=(a, None), b=(b, None), c=(c, None))
    torch.testing.assert_close(total, a + b + c)
    assert cosines == {}


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_only_the_opposing_component_is_removed(directions, sign: float) -> None:
    reconstruction, topological, other = directions
    topological = topological * sign * torch.sign(topological @ reconstruction)
    total, cosines = gradient_of(
        reconstruction=(reconstruction, None), topological=(topological, "reconstruction"), other=(other, None)
    )
    expected = topological
    if sign < 0:
        unit = reconstruction / reconstruction.norm()
        expected = topological - (topological @ unit) * unit
        assert abs(float(expected @ reconstruction)) < 1e-12
    torch.testing.assert_close(total, reconstruction + expected + other)
    cosine = torch.nn.functional.cosine_similarity(topological, reconstruction, dim=0)
    torch.testing.assert_close(cosines["topological"], cosine)


def test_one_inner_product_over_all_parameters() -> None:
    # opposed in the first parameter, aligned in the second, aligned on the whole: nothing is removed
    guard = torch.tensor([1.0, 0, 0, 0, 2.0, 0, 0], dtype=torch.float64)
    guarded = torch.tensor([-1.0, 0, 0, 0, 2.0, 0, 0], dtype=torch.float64)
    total, _ = gradient_of(r=(guard, None), t=(guarded, "r"))
    torch.testing.assert_close(total, guard + guarded)


def test_a_vanishing_guard_changes_nothing(directions) -> None:
    a = directions[0]
    total, cosines = gradient_of(r=(torch.zeros(7, dtype=torch.float64), None), t=(a, "r"))
    torch.testing.assert_close(total, a)
    assert torch.isfinite(cosines["t"])


def test_a_guard_has_to_be_in_the_objective(directions) -> None:
    with pytest.raises(ValueError, match="orthogonal_to 'reconstruction', which is not in the objective"):
        gradient_of(t=(directions[0], "reconstruction"))
