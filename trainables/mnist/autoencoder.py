"""Autoencoder of small images."""

from typing import Any, final

from torch import Tensor

from trainables.learner import Learner
from trainables.losses import REGRESSION_LOSSES, Loss
from trainables.mnist.data import Batch
from trainables.mnist.nets import Shape, decoder, encoder, parse_widths
from trainables.mnist.prepare import check_options


@final
class Autoencoder(Learner):
    """Encoder to `latent` numbers and decoder, of dense layers (`net="mlp"`) or with convolutions (`"cnn"`).

    Labels are ignored. Validation measures `rmse` for every loss: the root of an image's mean squared error
    over its pixels, averaged over the images; white is 1.

    Raises ValueError for an unknown `net`, `loss` or `norm`, a `latent` below 1, malformed `widths`, or a
    `dropout` outside [0, 1).
    """

    def __init__(
        self,
        *,
        image_shape: Shape,
        net: str = "mlp",
        latent: int = 32,
        loss: str = "mse",
        widths: str = "128-64",
        norm: str = "none",
        dropout: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        check_options({"net": net, "latent": latent})
        self.loss = Loss(loss, REGRESSION_LOSSES)
        self.encoder = encoder(net, image_shape, parse_widths(widths), latent, norm, dropout)
        self.decoder = decoder(net, latent, parse_widths(widths), image_shape, norm, dropout)

    def forward(self, images: Tensor) -> Tensor:
        """Reconstructions of images, both (B, C, H, W) in [0, 1]."""
        return self.decode(self.encode(images))

    def encode(self, images: Tensor) -> Tensor:
        """Latents (B, latent) of images."""
        return self.encoder(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Images of latents."""
        return self.decoder(latents).sigmoid()

    def losses(self, batch: Batch) -> Tensor:
        values: Tensor = self.loss(self(batch[0]), batch[0])
        return values

    def metrics(self, batch: Batch) -> dict[str, Tensor]:
        images = batch[0]
        output = self(images)
        error = (output - images).square().flatten(1).mean(1)
        return {"loss": self.loss(output, images), "rmse": error.sqrt()}
