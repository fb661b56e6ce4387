"""A LightningModule of your own: anything with `encode(images) -> codes` gets data, scores and a place in the table.

make bench METHOD=my_autoencoder PLUGIN=examples/my_module.py
"""

import lightning
import torch
from torch import nn

from disent_bench import register_method


@register_method("my_autoencoder")
class MyAutoencoder(lightning.LightningModule):
    """Plain autoencoder with linear maps."""

    def __init__(self, image_shape: tuple[int, int, int], width: int = 10, learning_rate: float = 1e-3):
        super().__init__()
        pixels = image_shape[0] * image_shape[1] * image_shape[2]
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 256), nn.ReLU(), nn.Linear(256, width))
        self.decoder = nn.Sequential(nn.Linear(width, pixels), nn.Unflatten(1, image_shape))
        self.learning_rate = learning_rate

    def encode(self, images):
        return self.encoder(images)

    def decode(self, codes):
        return self.decoder(codes).clamp(0, 1)

    def training_step(self, batch, batch_idx):
        return nn.functional.mse_loss(self.decoder(self.encoder(batch.images)), batch.images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)
