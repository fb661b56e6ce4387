from __future__ import annotations

import pytest
import torch
from torch import nn

from disent_bench.contracts.contract import BrokenError
from disent_bench.contracts.networks import batches_can_be_computed_in_parts
from disent_bench.module import resolve_precision
from disent_bench.nets import build_network
from disent_bench.nets.hsu2023 import StyleBlock
from disent_bench.nets.hsu2024 import ResidualBlock
from disent_bench.registry import NETWORKS, register_network


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("channels", "encoder", "decoder"), [(1, 309_204, 381_313), (3, 310_228, 382_339)])
def test_locatello2019_has_the_published_sizes(channels: int, encoder: int, decoder: int) -> None:
    pair = build_network("locatello2019", (channels, 64, 64))
    assert [count(network) for network in pair] == [encoder, decoder]


@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(name: str, channels: int) -> None:
    ending = name.rpartition("_")[2]
    side = int(ending) if ending.isdigit() else 64
    encoder, decoder = build_network(name, (channels, side, side), latent_dim=7)
    assert encoder(torch.rand(2, channels, side, side)).shape == (2, 14)
    assert decoder(torch.rand(2, 7)).shape == (2, channels, side, side)
    halvings = [m for m in encoder.modules() if getattr(m, "stride", 1) == (2, 2) or isinstance(m, nn.PixelUnshuffle)]
    assert 4 * 2 ** len(halvings) == side
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


def test_other_sizes_have_a_stage_more_or_less_at_the_images_end() -> None:
    def widths(name: str, side: int) -> tuple[list[tuple[int, int]], list[int]]:
        encoder, decoder = build_network(name, (1, side, side))
        convolutions = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
        ups = [m for m in decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
        return [(m.out_channels, m.kernel_size[0]) for m in convolutions], [m.out_channels for m in ups]

    assert widths("locatello2019", 64) == ([(32, 4), (32, 4), (64, 2), (64, 2)], [64, 32, 32, 1])
    assert widths("locatello2019_32", 32) == ([(32, 4), (64, 2), (64, 2)], [64, 32, 1])
    assert widths("locatello2019_128", 128) == ([(32, 4), (32, 4), (32, 4), (64, 2), (64, 2)], [64, 32, 32, 32, 1])
    assert widths("topdis_large_32", 32) == ([(64, 4), (128, 4), (256, 4), (512, 4)], [256, 128, 64, 1])


def test_activations_are_what_leaves_the_hidden_layers() -> None:
    _, decoder = build_network("roth2023", (1, 64, 64), latent_dim=3)
    z = torch.randn(2, 3)
    layers = decoder.activations(z)
    assert torch.equal(layers[0], decoder.first(z).relu())
    assert [tuple(layer.shape[1:]) for layer in layers] == [(256,), (64, 4, 4), (64, 8, 8), (32, 16, 16), (32, 32, 32)]
    assert torch.equal(decoder.layers[-1](layers[-1]), decoder(z))


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 64x64 images, not 128x128; take the one whose name ends in _128"):
        build_network("roth2023", (1, 128, 128))
    with pytest.raises(ValueError, match="takes 32x32 images, not 64x64; take the name without an ending"):
        build_network("roth2023_32", (1, 64, 64))
    with pytest.raises(ValueError, match=r"unknown network 'resnet'; known: hsu2023, .*locatello2019"):
        build_network("resnet", (1, 64, 64))
    with pytest.raises(ValueError, match="takes 64x64 images, not 32x32"):
        build_network("roth2023", (1, 32, 32))


def test_a_precision_that_is_named_is_taken() -> None:
    for named in ("32", "bf16"):
        assert resolve_precision(named) == named
    assert resolve_precision("auto") in ("32", "bf16")


@pytest.mark.parametrize(("name", "part"), [("hsu2024", 1), ("hsu2024_quarter", 4)])
def test_tripods_layers_have_the_shapes_of_the_source(name: str, part: int) -> None:
    encoder, decoder = build_network(name, (3, 64, 64), latent_dim=5, num_features=5)
    layers = decoder.activations(torch.randn(2, 5))
    wanted = [(256,), (256, 8, 8), (128, 16, 16), (64, 32, 32)]
    assert [tuple(layer.shape[1:]) for layer in layers] == [(width // part, *rest) for width, *rest in wanted]
    assert encoder.last.in_features == 512 // part


def test_tripods_encoder_sees_images_from_minus_one_to_one() -> None:
    encoder, _ = build_network("hsu2024_quarter", (1, 64, 64))
    seen: list[torch.Tensor] = []
    encoder.features.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    encoder(torch.rand(2, 1, 64, 64).round())
    assert seen[0].unique().tolist() == [-1, 1]


def by_hand(x: torch.Tensor, epsilon: float = 1e-5) -> torch.Tensor:
    """Instance norm by its formula."""
    centred = x - x.mean(dim=(2, 3), keepdim=True)
    return centred / (centred.square().mean(dim=(2, 3), keepdim=True) + epsilon).sqrt()


def test_a_residual_block_is_scaled_and_shifted_by_its_condition() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(3, 4, condition=2).double()
    x, condition = torch.randn(2, 3, 8, 8).double(), torch.randn(2, 2).double()
    value = x
    for convolution, linear in zip(block.convolutions, block.norms, strict=True):
        both = condition @ linear.weight.T + linear.bias
        scale, shift = both[:, :4, None, None], both[:, 4:, None, None]
        value = by_hand(convolution(value)) * (1 + scale) + shift
        value = value * (1 + torch.erf(value / 2**0.5)) / 2
    torch.testing.assert_close(block(x, condition), block.skip(x) + value)
    assert isinstance(ResidualBlock(4, 4).skip, nn.Identity)


def test_a_style_scales_and_shifts_by_nothing_negative() -> None:
    torch.manual_seed(0)
    block = StyleBlock(3, 4, 4, 2).double()
    x, style = torch.randn(2, 3, 8, 8).double(), torch.randn(2, 256).double()
    both = (style @ block.style.weight.T + block.style.bias).clamp(min=0)
    value = block.convolution(x)
    value = torch.where(value > 0, value, 0.2 * value)
    expected = by_hand(value, 1e-6) * both[:, :4, None, None] + both[:, 4:, None, None]
    torch.testing.assert_close(block(x, style), expected)
    assert block(x, style).shape == (2, 4, 16, 16)


@pytest.mark.parametrize("name", ["hsu2023", "hsu2024"])
def test_networks_of_one_size_say_so(name: str) -> None:
    with pytest.raises(ValueError, match="takes 64x64 images, not 32x32; set image_size=64"):
        build_network(name, (1, 32, 32))


@pytest.mark.parametrize(
    ("layer", "reason"), [(nn.BatchNorm1d(8), "depends on the others"), (nn.Dropout(), "depends on|draws random")]
)
@pytest.mark.usefixtures("forgetting")
def test_a_network_that_wrongly_says_per_image_is_found_out(layer: nn.Module, reason: str) -> None:
    @register_network("mistaken")
    def build(image_shape: tuple[int, int, int], latent_dim: int) -> tuple[nn.Module, None]:
        """Features that depend on the batch, or on chance."""
        encoder = nn.Sequential(nn.Flatten(), nn.LazyLinear(8), layer, nn.LazyLinear(2 * latent_dim))
        encoder.per_image = True  # type: ignore[assignment]
        encoder(torch.rand(2, *image_shape))
        return encoder, None

    with pytest.raises(BrokenError, match=reason):
        batches_can_be_computed_in_parts("mistaken")
