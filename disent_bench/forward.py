"""What one forward pass offers to the terms, computed when it is first read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Rule = Callable[["Pass"], Any]


class MissingError(AttributeError):
    """Something was read from a pass that was not given and cannot be computed; the message names it."""


class Pass:
    """One forward pass over a batch; every value is computed on first reading, once.

    Every argument is optional. What is not given is computed where that is possible: ``mean`` and ``logvar`` by
    ``encode`` from ``x``, ``z`` from these, ``logits`` by ``decode`` from ``z``; a module adds rules of its own
    (`disent_bench.module.DisentModule.run_pass`), such as those of its bottleneck.

    Args:
        x: images in [0, 1], shape ``(batch, channels, height, width)``.
        mean: posterior means, shape ``(batch, latent)``.
        logvar: posterior log-variances, shape ``(batch, latent)``.
        z: one sample per image, what is decoded, shape ``(batch, latent)``.
        logits: logits of the decoded ``z``, shaped like ``x``.
        decode: the decoder, from latents to logits.
        encode: the encoder, from images to ``(mean, logvar)``.
        latent_norms: L2 norm of the decoder's first-layer weights leaving each latent, shape ``(latent,)``.
        activations: from latents to what leaves each hidden layer of the decoder.
        step: number of optimiser steps taken before this pass; an int64 scalar tensor on the device in training.
        n_train: number of images in the training set.
        second: the pass over a second, independent batch.
        last: the last step's measurements: every term's unweighted value by the term's name, and those of its
            `disent_bench.objective.Term.measurements` that are tensors as ``term/measurement``.
        generator: draws the noise of ``z``; torch's own if None.
        rules: further values by name, each a function of the pass; they win over the rules above.
    """

    x: Tensor
    mean: Tensor
    logvar: Tensor
    z: Tensor
    logits: Tensor
    decode: Callable[[Tensor], Tensor]
    encode: Callable[[Tensor], tuple[Tensor, Tensor]]
    latent_norms: Tensor
    activations: Callable[[Tensor], Sequence[Tensor]]
    step: Tensor
    n_train: int
    second: Pass
    last: Mapping[str, Tensor]
    generator: torch.Generator | None

    def __init__(
        self,
        *,
        x: Tensor | None = None,
        mean: Tensor | None = None,
        logvar: Tensor | None = None,
        z: Tensor | None = None,
        logits: Tensor | None = None,
        decode: Callable[[Tensor], Tensor] | None = None,
        encode: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None,
        latent_norms: Tensor | None = None,
        activations: Callable[[Tensor], Sequence[Tensor]] | None = None,
        step: Tensor | int | None = None,
        n_train: int | None = None,
        second: Pass | None = None,
        last: Mapping[str, Tensor] | None = None,
        generator: torch.Generator | None = None,
        rules: Mapping[str, Rule] | None = None,
    ) -> None:
        given = dict(locals())
        del given["self"], given["rules"]
        given["step"] = torch.tensor(step) if isinstance(step, int) else step
        self._given = {name: value for name, value in given.items() if value is not None}
        self._rules = {**_RULES, **(rules or {})}
        self.__dict__.update(self._given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._rules:
            raise MissingError(f"this pass has no '{name}': it was not given, and nothing here computes it")
        try:
            value = self._rules[name](self)
        except MissingError as error:
            raise MissingError(f"this pass cannot compute '{name}', which was not given: {error}") from None
        self.__dict__[name] = value
        return value

    def once(self, name: str, rule: Rule) -> Any:
        """Return what ``rule`` makes of this pass, computed when first asked for by that ``name``; terms share it."""
        if name not in self.__dict__:
            self.__dict__[name] = rule(self)
        return self.__dict__[name]

    def replace(self, **changes: Any) -> Pass:
        """Return a pass with some values given anew; all that was only computed is forgotten."""
        return Pass(**{**self._given, "rules": self._rules, **changes})


def sample_posterior(mean: Tensor, logvar: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw ``mean + exp(logvar / 2) * noise``, the reparametrised sample (Kingma & Welling 2014)."""
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    return mean + torch.exp(0.5 * logvar) * noise


_RULES: Mapping[str, Rule] = {
    "posterior": lambda p: p.encode(p.x),
    "mean": lambda p: p.posterior[0],
    "logvar": lambda p: p.posterior[1],
    "z": lambda p: sample_posterior(p.mean, p.logvar, p.generator),
    "logits": lambda p: p.decode(p.z),
    "generator": lambda p: None,
    "last": lambda p: {},
}
