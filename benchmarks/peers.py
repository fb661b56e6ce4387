"""Steps of other codes, taken in a process of their own when asked: as people run them, without what disent_bench sets.

`training.py` starts it. It reads names, a line each, takes steps of that code, and writes how many seconds each took.
"""

import sys
import time
import types
import warnings
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

import torch
from torch import Tensor, nn

Shape = tuple[int, int, int]
Step = Callable[[Tensor], None]
COLD, COUNTED = 2, 4


def plain_torch(shape: Shape) -> Step:
    """A beta-VAE as papers' code has it: float32, contiguous, nothing fused; the networks are those of roth2023."""
    ends = [(shape[0], 32), (32, 32), (32, 64), (64, 64)]
    down = [layer for pair in ends for layer in (nn.Conv2d(*pair, 4, 2, 1), nn.ReLU())]
    up = [layer for a, b in reversed(ends) for layer in (nn.ConvTranspose2d(b, a, 4, 2, 1), nn.ReLU())]
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 20))
    head = [nn.Linear(10, 256), nn.ReLU(), nn.Linear(256, 1024), nn.ReLU(), nn.Unflatten(1, (64, 4, 4))]
    decoder = nn.Sequential(*head, *up[:-1])
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-4)

    def step(images: Tensor) -> None:
        mean, logvar = encoder(images).chunk(2, dim=1)
        logits = decoder(mean + torch.exp(logvar / 2) * torch.randn_like(mean))
        error = nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="sum") / len(images)
        loss = error + 4.0 * 0.5 * (mean**2 + logvar.exp() - logvar - 1).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def disent(shape: Shape) -> Step:
    """Disent's own `BetaVae` with its own networks, as Lightning would take the step, without Lightning's loop."""
    import lightning  # noqa: F401 (it looks for torchvision, before the modules below stand for that)

    # disent imports torchvision for data and for perceptual losses; its build does not load beside torch's for CPUs
    parts = [f"torchvision{part}" for part in ("", ".transforms", ".transforms.functional", ".models", ".datasets")]
    for part in parts:
        sys.modules[part] = types.ModuleType(part)
        sys.modules[part].__spec__ = ModuleSpec(part, None)
    sys.modules["torchvision.models"].vgg19_bn = None
    sys.modules["torchvision.datasets"].ImageFolder = object
    from disent.frameworks.vae import BetaVae
    from disent.model import AutoEncoder
    from disent.model.ae import DecoderConv64, EncoderConv64

    model = AutoEncoder(EncoderConv64(shape, z_size=10, z_multiplier=2), DecoderConv64(shape, z_size=10))
    settings = {"optimizer": "adam", "optimizer_kwargs": {"lr": 1e-4}, "loss_reduction": "mean_sum", "beta": 4.0}
    framework = BetaVae(model, BetaVae.cfg(**settings))
    optimizer = framework.configure_optimizers()

    def step(images: Tensor) -> None:
        optimizer.zero_grad()
        framework.do_training_step({"x_targ": (images,)}, 0).backward()
        optimizer.step()

    return step


def burst(step: Step, images: Tensor) -> list[float]:
    """Take steps without a pause, and return the seconds of all but the first ones, which find cold caches."""
    seconds = []
    for _ in range(COLD + COUNTED):
        start = time.perf_counter()
        step(images)
        seconds.append(time.perf_counter() - start)
    return seconds[COLD:]


PEERS = {"plain torch": ("torch", plain_torch), "disent": ("disent", disent)}


def main() -> None:
    warnings.simplefilter("ignore")  # disent logs to a trainer that is not there
    shape = (int(sys.argv[1]), 64, 64)
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.manual_seed(0)
    images = torch.rand(64, *shape).round()
    steps = {name: make(shape) for name, (package, make) in PEERS.items() if find_spec(package)}
    print(*steps, sep=",", file=answers, flush=True)
    for line in sys.stdin:
        print(*burst(steps[line.strip()], images), file=answers, flush=True)


if __name__ == "__main__":
    main()
