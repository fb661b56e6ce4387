"""What stands between the encoder's features and the latents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from disent_bench.forward import Rule
from disent_bench.signatures import Configured, settings_of


class Bottleneck(nn.Module, metaclass=Configured):
    """Turns the encoder's features into latents ``z`` that are decoded, and into codes that are scored.

    Subclasses keep every constructor argument, all of them keyword-only, as an attribute of the same name.

    Attributes:
        name: set by `disent_bench.registry.register_bottleneck`.
        offers: what a term can read of it, words of `disent_bench.players.NEEDS`.
        needs: what it needs of the data, likewise.
    """

    section: ClassVar[str] = "bottleneck"
    name: ClassVar[str] = ""
    offers: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()

    def num_features(self, latent_dim: int) -> int:
        """Return how many features the encoder gives for each image."""
        raise NotImplementedError

    def setup(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        """Make own parameters, once, after the networks; they train with the encoder."""

    def rules(self) -> Mapping[str, Rule]:
        """Return how a pass computes ``z`` and all else that terms read, from ``p.features`` ``(b, num_features)``."""
        raise NotImplementedError

    def encode(self, features: Tensor) -> Tensor:
        """Return the codes that are scored, float32 ``(b, latent_dim)``, of features ``(b, num_features)``."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """Return the constructor arguments, as a configuration writes them."""
        return {name: getattr(self, name) for name in settings_of(type(self))}
