"""How the terms' gradients are combined into one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from disent_bench.objective import Objective, Part

Networks = Mapping[str, Sequence[nn.Parameter]]

REFERENCE = "reconstruction"
"""The term whose gradient others are compared with."""


def accumulate_gradients(
    objective: Objective, parts: Mapping[str, Part], networks: Networks, *, retain_graph: bool = False
) -> dict[str, Tensor]:
    """Write the gradient of the loss into the ``grad`` of a player's parameters, and of no others.

    A term t with ``orthogonal_to = r`` contributes ``g_t - (<g_t, g_r> / ||g_r||^2) g_r`` if ``<g_t, g_r> < 0``, else
    ``g_t``: one inner product over all parameters, before the optimiser's preconditioning (Balabin et al. 2024, section
    4.4; authors' ``make_step``). A term with ``moves = "encoder"`` or ``"decoder"`` contributes nothing to the other
    network. All other gradients are added as they are.

    Args:
        objective: whose terms say by which rules.
        parts: their values, one at least.
        networks: the player's parameters: ``"encoder"``, ``"decoder"``, and any others under other names.
        retain_graph: keep the graph for another player that shares it.

    Returns:
        The cosine between each guarded gradient and its guard's, by term name.
    """
    everything = [parameter for group in networks.values() for parameter in group]
    guarded = {
        term.name: term.orthogonal_to
        for term in objective
        if term.name in parts and term.orthogonal_to is not None and term.orthogonal_to in parts
    }
    guards = dict.fromkeys(guarded.values())
    alone = {name for name in parts if objective[name].moves != "both"} | guards.keys() | guarded.keys()
    rest = [part.weighted for name, part in parts.items() if name not in alone]
    reached = {name: _reached(objective[name].moves, networks) for name in parts if name in alone}
    ordered = [*guards, *guarded, *(name for name in reached if name not in guards and name not in guarded)]
    gradients = {name: _gradient(parts[name].weighted, everything, reached[name]) for name in ordered}
    cosines = {}
    for name, guard in guarded.items():
        inner = _inner(gradients[name], gradients[guard])
        squares = _inner(gradients[guard], gradients[guard])
        cosines[name] = inner / (squares * _inner(gradients[name], gradients[name])).sqrt().clamp_min(
            torch.finfo(inner.dtype).tiny
        )
        factor = -inner.clamp_max(0.0) / squares.clamp_min(torch.finfo(inner.dtype).tiny)
        gradients[name] = [
            own + factor.to(own.dtype) * other for own, other in zip(gradients[name], gradients[guard], strict=True)
        ]
    if rest:
        # Naming the inputs keeps the gradient out of parameters that belong to others, an opponent's network say.
        torch.autograd.backward(torch.stack(rest).sum(), inputs=everything, retain_graph=retain_graph)
    for gradient in gradients.values():
        for parameter, value in zip(everything, gradient, strict=True):
            parameter.grad = value if parameter.grad is None else parameter.grad + value
    for parameter in everything:
        # Fused optimisers take memory in the parameter's order; on a GPU they refuse another.
        if parameter.grad is not None and parameter.grad.stride() != parameter.stride():
            parameter.grad = torch.empty_like(parameter).copy_(parameter.grad)
    return cosines


def gradient_shares(objective: Objective, parts: Mapping[str, Part], networks: Networks) -> dict[str, Tensor]:
    """Return the length of each term's weighted gradient relative to the reconstruction's, by term name.

    Euclidean norms over all parameters of the player that the term reaches, before any projection. The graph is kept.
    Empty where there is no term ``reconstruction``.
    """
    if REFERENCE not in parts:
        return {}
    everything = [parameter for group in networks.values() for parameter in group]
    norms = {}
    for name, part in parts.items():
        gradient = _gradient(part.weighted, everything, _reached(objective[name].moves, networks))
        norms[name] = _inner(gradient, gradient).sqrt()
    reference = norms.pop(REFERENCE).clamp_min(torch.finfo(torch.float64).tiny)
    return {name: (norm / reference).float() for name, norm in norms.items()}


def _reached(moves: str, networks: Networks) -> set[nn.Parameter]:
    kept_still = {"encoder": "decoder", "decoder": "encoder"}.get(moves)
    return {parameter for name, group in networks.items() if name != kept_still for parameter in group}


def _gradient(value: Tensor, everything: Sequence[nn.Parameter], reached: set[nn.Parameter]) -> list[Tensor]:
    wanted = [p for p in everything if p in reached]
    gradients = torch.autograd.grad(value, wanted, retain_graph=True, allow_unused=True) if wanted else ()
    found = dict(zip(wanted, gradients, strict=True))
    return [torch.zeros_like(p) if (gradient := found.get(p)) is None else gradient for p in everything]


def _inner(a: list[Tensor], b: list[Tensor]) -> Tensor:
    return torch.stack([(x * y).sum(dtype=torch.float64) for x, y in zip(a, b, strict=True)]).sum()
