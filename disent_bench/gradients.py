"""How the terms' gradients are combined into one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from disent_bench.objective import Objective, Part


def accumulate_gradients(
    objective: Objective, parts: Mapping[str, Part], parameters: Sequence[nn.Parameter]
) -> dict[str, Tensor]:
    """Write the gradient of the loss, with conflicting components removed, into ``parameters``' ``grad``.

    A term t with ``orthogonal_to = r`` contributes ``g_t - (<g_t, g_r> / ||g_r||^2) g_r`` if ``<g_t, g_r> < 0``, else
    ``g_t``: one inner product over all parameters, before the optimiser's preconditioning [TopDis, section 4.4;
    authors' ``make_step``]. All other gradients are added as they are.

    Returns:
        The cosine between each guarded gradient and its guard's, by term name.
    """
    guarded = {
        term.name: term.orthogonal_to
        for term in objective
        if term.name in parts and term.orthogonal_to is not None and term.orthogonal_to in parts
    }
    if not guarded:
        torch.stack([part.weighted for part in parts.values()]).sum().backward()
        return {}
    guards = set(guarded.values())
    rest = [part.weighted for name, part in parts.items() if name not in guarded and name not in guards]
    groups = {name: parts[name].weighted for name in (*guards, *guarded)}
    gradients = {name: _gradient(value, parameters) for name, value in groups.items()}
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
        torch.stack(rest).sum().backward()
    for gradient in gradients.values():
        for parameter, value in zip(parameters, gradient, strict=True):
            parameter.grad = value if parameter.grad is None else parameter.grad + value
    return cosines


def _gradient(value: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]


def _inner(a: list[Tensor], b: list[Tensor]) -> Tensor:
    return torch.stack([(x * y).sum(dtype=torch.float64) for x, y in zip(a, b, strict=True)]).sum()
