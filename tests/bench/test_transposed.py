"""The transposed convolution against the library's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

from disent_bench.nets.transposed import TransposedConvolution


def pair(
    out: int, dtype: torch.dtype = torch.float64
) -> tuple[TransposedConvolution, torch.nn.ConvTranspose2d, Tensor]:
    torch.manual_seed(out)
    ours = TransposedConvolution(3, out).to(dtype)
    library = torch.nn.ConvTranspose2d(3, out, 4, stride=2, padding=1).to(dtype)
    library.load_state_dict(ours.state_dict())
    return ours, library, torch.randn(2, 3, 4, 5, dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("out", [1, 3, 5])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_the_librarys(out: int, memory_format: torch.memory_format) -> None:
    ours, library, x = pair(out)
    x = x.detach().to(memory_format=memory_format).requires_grad_()
    weights = torch.randn(2, out, 8, 10, dtype=x.dtype)
    found, expected = (
        (y, *torch.autograd.grad((y * weights).sum(), (x, *layer.parameters())))
        for layer, y in ((layer, layer(x)) for layer in (ours, library))
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("out", [1, 5])
def test_all_derivatives(out: int) -> None:
    ours, _, x = pair(out)
    x, weight, bias = x[:1, :, :2, :2].detach().requires_grad_(), ours.weight, ours.bias

    def f(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.func.functional_call(ours, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(f, (x, weight, bias), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, (x, weight, bias))


def test_function_transforms_agree_with_the_library() -> None:
    ours, library, x = pair(1)
    x = x.detach()
    directions = torch.randn(3, *x.shape, dtype=x.dtype)

    def pushed_and_pulled(layer: torch.nn.Module) -> Tensor:
        return vmap(lambda v: vjp(layer, x)[1](jvp(layer, (x,), (v,))[1])[0])(directions)

    torch.testing.assert_close(pushed_and_pulled(ours), pushed_and_pulled(library))


def test_autocast_computes_in_bfloat16() -> None:
    ours, library, x = pair(1, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = ours(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), library(x), rtol=0.05, atol=0.05)
    y.sum().backward()
    assert ours.weight.grad is not None
    assert ours.weight.grad.dtype == torch.float32
