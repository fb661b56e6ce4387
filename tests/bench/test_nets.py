from __future__ import annotations

import pytest
import torch
from torch import nn

from disent_bench.module import resolve_precision
from disent_bench.nets import build_network
from disent_bench.registry import NETWORKS


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("channels", "encoder", "decoder"), [(1, 309_204, 381_313), (3, 310_228, 382_339)])
def test_locatello2019_has_the_published_sizes(channels: int, encoder: int, decoder: int) -> None:
    pair = build_network("locatello2019", (channels, 64, 64))
    assert [count(network) for network in pair] == [encoder, decoder]


@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(name: str, channels: int) -> None:
    encoder, decoder = build_network(name, (channels, 64, 64), latent_dim=7)
    assert encoder(torch.rand(2, channels, 64, 64)).shape == (2, 14)
    assert decoder(torch.rand(2, 7)).shape == (2, channels, 64, 64)
    assert decoder.latent_norms().shape == (7,)


def test_weight_norms_belong_to_latents() -> None:
    _, decoder = build_network("roth2023", (1, 64, 64), latent_dim=3)
    with torch.no_grad():
        decoder.first.weight[:, 1] = 0.0
    assert (decoder.latent_norms() == 0).tolist() == [False, True, False]


def test_initialisation_follows_the_source() -> None:
    encoder, decoder = build_network("locatello2019", (1, 64, 64))
    weight = encoder.features[0].weight.detach()  # Glorot: bound sqrt(6 / (fan in + fan out)), 16 and 512
    assert float(weight.abs().max()) <= (6 / (16 + 512)) ** 0.5
    assert not decoder.first.bias.any()
    for head in encoder.head.weight.detach().split(10):  # the limit of a head of its own, not of both together
        assert (6 / (256 + 20)) ** 0.5 < head.abs().max() <= (6 / (256 + 10)) ** 0.5
    torch.manual_seed(0)
    encoder, _ = build_network("topdis_large", (1, 64, 64))
    assert float(encoder.features[2].weight.std()) == pytest.approx(0.02, rel=0.05)


def test_biases_start_as_torch_does_where_the_source_leaves_them() -> None:
    encoder, decoder = build_network("roth2023", (1, 64, 64))
    layers = [m for net in (encoder, decoder) for m in net.modules() if getattr(m, "bias", None) is not None]
    assert len(layers) == 12
    for layer in layers:
        bound = nn.init._calculate_fan_in_and_fan_out(layer.weight)[0] ** -0.5
        assert 0.5 * bound < layer.bias.detach().abs().max() <= bound or layer.bias.numel() < 4


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown network 'resnet'; known: locatello2019"):
        build_network("resnet", (1, 64, 64))
    with pytest.raises(ValueError, match="takes 64x64 images, not 32x32"):
        build_network("roth2023", (1, 32, 32))


def test_a_precision_that_is_named_is_taken() -> None:
    for named in ("32", "bf16"):
        assert resolve_precision(named) == named
    assert resolve_precision("auto") in ("32", "bf16")
