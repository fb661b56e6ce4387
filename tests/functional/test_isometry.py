import pytest
import torch
from torch import Tensor, nn

from disent_bench.functional.isometry import encoder_relaxed_distortion, relaxed_distortion


def basis(n: int, d: int) -> Tensor:
    """Probes that make both traces exact: their outer products average to the identity."""
    return (d**0.5 * torch.eye(d, dtype=torch.float64)).unsqueeze(1).expand(d, n, d)


def decoder() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(3, 8), nn.Tanh(), nn.Unflatten(1, (2, 2, 2)), nn.ConvTranspose2d(2, 1, 4, 2, 1), nn.Sigmoid()
    )
    return net.double()


def exact(net: nn.Module, codes: Tensor) -> Tensor:
    jacobians = torch.stack(
        [torch.autograd.functional.jacobian(lambda z: net(z[None]).flatten(), z, create_graph=True) for z in codes]
    )
    metrics = jacobians.mT @ jacobians
    traces = metrics.diagonal(dim1=1, dim2=2).sum(1)
    return metrics.square().sum((1, 2)).mean() / traces.mean().square()


def test_value_and_gradients_equal_those_of_the_jacobian() -> None:
    net = decoder()
    codes = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    ours, theirs = relaxed_distortion(net, codes, directions=basis(5, 3)), exact(net, codes)
    torch.testing.assert_close(ours, theirs)
    wanted = (codes, *net.parameters())
    mine = torch.autograd.grad(ours, wanted, allow_unused=True, materialize_grads=True)
    right = torch.autograd.grad(theirs, wanted, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(mine, right)
    assert mine[1].abs().sum() > 0


def test_random_probes_estimate_the_same_traces() -> None:
    net, codes = decoder(), torch.zeros(2, 3, dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    estimate = relaxed_distortion(net, codes, num_probes=5_000, generator=generator)
    torch.testing.assert_close(estimate, exact(net, codes), rtol=0.04, atol=0)


@pytest.mark.parametrize("scale", [0.1, 7.0])
def test_scaled_isometries_attain_one_over_the_number_of_latents(scale: float) -> None:
    frame = torch.linalg.qr(torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)))[0]
    codes = torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    value = relaxed_distortion(lambda z: scale * z @ frame.T, codes, directions=basis(9, 4))
    assert value.item() == pytest.approx(1 / 4)
    stretched = frame * torch.tensor([1.0, 1, 1, 3], dtype=torch.float64)
    assert relaxed_distortion(lambda z: z @ stretched.T, codes, directions=basis(9, 4)).item() == pytest.approx(
        84 / 144
    )


def encoder() -> nn.Module:
    torch.manual_seed(5)
    net = nn.Sequential(nn.Conv2d(1, 3, 4, 2, 1), nn.Tanh(), nn.Flatten(), nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 3))
    return net.double()


def pictures(n: int) -> Tensor:
    return torch.randn(n, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(6))


def exact_of_encoder(net: nn.Module, images: Tensor) -> Tensor:
    def jacobian(image: Tensor) -> Tensor:
        return torch.autograd.functional.jacobian(lambda x: net(x[None])[0], image, create_graph=True).flatten(1)

    # by singular values, which J J^T and J^T J share
    squares = torch.stack([torch.linalg.svdvals(jacobian(image)).square() for image in images])
    return squares.square().sum(1).mean() / squares.sum(1).mean().square()


def test_value_and_gradients_of_the_encoder_equal_those_of_its_jacobian() -> None:
    net, images = encoder(), pictures(5).requires_grad_()
    ours = encoder_relaxed_distortion(net, images, directions=basis(5, 3))
    theirs = exact_of_encoder(net, images)
    torch.testing.assert_close(ours, theirs)
    wanted = (images, *net.parameters())
    mine = torch.autograd.grad(ours, wanted, allow_unused=True, materialize_grads=True)
    right = torch.autograd.grad(theirs, wanted, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(mine, right)
    assert mine[1].abs().sum() > 0


def test_gradient_of_the_encoder_equals_finite_differences() -> None:
    directions = torch.randn(2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(7))

    def value(weight: Tensor, images: Tensor) -> Tensor:
        return encoder_relaxed_distortion(lambda x: (x.flatten(1) @ weight).tanh(), images, directions=directions)

    weight = torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    images = pictures(3)[:, :, :2, :2].clone()
    assert torch.autograd.gradcheck(value, (weight.requires_grad_(), images.requires_grad_()))


def test_random_probes_of_the_encoder_estimate_the_same_traces() -> None:
    net, images = encoder(), pictures(2)
    generator = torch.Generator().manual_seed(9)
    estimate = encoder_relaxed_distortion(net, images, num_probes=5_000, generator=generator)
    torch.testing.assert_close(estimate, exact_of_encoder(net, images), rtol=0.04, atol=0)


@pytest.mark.parametrize("scale", [0.1, 7.0])
def test_scaled_projections_attain_one_over_the_number_of_latents(scale: float) -> None:
    frame = torch.linalg.qr(torch.randn(16, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)))[0]
    value = encoder_relaxed_distortion(lambda x: scale * x.flatten(1) @ frame, pictures(9), directions=basis(9, 4))
    assert value.item() == pytest.approx(1 / 4)
    stretched = frame * torch.tensor([1.0, 1, 1, 3], dtype=torch.float64)
    value = encoder_relaxed_distortion(lambda x: x.flatten(1) @ stretched, pictures(9), directions=basis(9, 4))
    assert value.item() == pytest.approx(84 / 144)


def test_bad_arguments_are_refused() -> None:
    codes = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="codes must have shape"):
        relaxed_distortion(torch.sin, torch.zeros(3))
    with pytest.raises(ValueError, match="num_probes must be at least 1"):
        relaxed_distortion(torch.sin, codes, num_probes=0)
    with pytest.raises(ValueError, match=r"directions must have shape \(k, 2, 3\)"):
        relaxed_distortion(torch.sin, codes, directions=codes)
    with pytest.raises(ValueError, match="encode must return codes of shape"):
        encoder_relaxed_distortion(torch.sin, torch.zeros(2, 3, 4))
    with pytest.raises(ValueError, match="num_probes must be at least 1"):
        encoder_relaxed_distortion(torch.sin, codes, num_probes=0)
    with pytest.raises(ValueError, match=r"directions must have shape \(k, 2, 3\)"):
        encoder_relaxed_distortion(torch.sin, codes, directions=codes)
