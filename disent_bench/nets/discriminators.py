"""Networks that tell two kinds of codes or images apart."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

SLOPE = 0.2


class CodeDiscriminator(nn.Sequential):
    """Fully connected layers with leaky ReLU, slope .2, from ``(b, num_inputs)`` to two logits (Kim & Mnih 2018).

    Six hidden layers of 1,000 in disentanglement_lib, whose docstring calls them the paper's; others have five. Kernels
    are Glorot-uniform, biases zero, as there.
    """

    def __init__(self, num_inputs: int, hidden: int = 1000, layers: int = 6) -> None:
        widths = [num_inputs, *([hidden] * layers)]
        stack: list[nn.Module] = []
        for before, after in pairwise(widths):
            stack += [nn.Linear(before, after), nn.LeakyReLU(SLOPE)]
        super().__init__(*stack, nn.Linear(hidden, 2))
        for layer in self:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)


class ImageDiscriminator(nn.Module):
    """Stride-2 convolutions down to 4 pixels, instance norm, leaky ReLU, and two linear layers to one logit (DAVA).

    Shaped like an encoder, of any square image with a side from 8 on. The authors' dense layer is followed by a batch
    norm, which is left out here: with its running statistics the network that is attacked is another than the one that
    was trained.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: int = 32, hidden: int = 256) -> None:
        super().__init__()
        channels, side = image_shape[0], min(image_shape[1:])
        layers: list[nn.Module] = []
        for stage in range(max(1, int(math.log2(side / 4)))):
            out = width * (1 if stage < 2 else 2)
            layers += [nn.Conv2d(channels, out, 4, stride=2, padding=1)]
            layers += [nn.InstanceNorm2d(out)] if stage else []
            layers += [nn.LeakyReLU(SLOPE)]
            channels = out
        layers += [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, hidden), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return one logit for each image, ``(b,)``: positive for a reconstruction."""
        logits: Tensor = self.layers(images)
        return logits[:, 0]
