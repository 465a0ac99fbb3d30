"""A generative adversarial network for small images (Goodfellow et al., NeurIPS 2014)."""

from collections.abc import Callable
from typing import final

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.mnist.data import Batch
from trainables.mnist.energy import GENERATED
from trainables.mnist.nets import Shape

BETA2 = 0.99
SNAPSHOTS = 8  # images that the module keeps of an epoch
KEPT_EPOCHS = 9  # for which it keeps images, at most
NOISE_SEED = 0  # of all images that are compared

Loss = Callable[[Tensor], Tensor]
# Losses of logits that should be high. Those of the discriminator: of real images, and negated of generated
# ones. Those of the generator: of generated images.
GAMES: dict[str, tuple[Loss, Loss]] = {
    "logistic": (lambda logits: F.softplus(-logits), lambda logits: F.softplus(-logits)),
    "hinge": (lambda logits: F.relu(1 - logits), lambda logits: -logits),
    "least_squares": (lambda logits: (logits - 1).square(), lambda logits: (logits - 1).square()),
}


@final
class Gan(L.LightningModule):
    """A generator and a discriminator of dense layers, each with an optimizer of its own.

    Validation compares images from fixed noise with the validation images: `val/energy` is their energy
    distance, `val/diversity` shows a collapse (energy.py), `val/loss` is the discriminator's loss. The module
    keeps images from the same noise for epochs 1, 2, 4 and so on, up to `epochs`, in the buffer `snapshots`.

    `ratio` is the learning rate of the discriminator relative to that of the generator (Heusel et al.,
    NeurIPS 2017). `game` names the losses: `logistic`, `hinge` (Lim and Ye, 2017) or `least_squares` (Mao et
    al., ICCV 2017). Raises ValueError for another `game`.
    """

    snapshots: Tensor

    def __init__(
        self,
        image_shape: Shape,
        epochs: int = 81,
        lr: float = 1e-3,
        ratio: float = 4.0,
        beta1: float = 0.5,
        game: str = "logistic",
        latent: int = 16,
        width: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if game not in GAMES:
            raise ValueError(f"game is {game!r}, but must be one of {', '.join(GAMES)} (param.game=...)")
        self.save_hyperparameters()
        self.automatic_optimization = False
        pixels = image_shape[0] * image_shape[1] * image_shape[2]
        self.generator = nn.Sequential(
            *(nn.Linear(latent, width), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Linear(width, pixels), nn.Sigmoid(), nn.Unflatten(1, image_shape)),
        )
        self.discriminator = nn.Sequential(
            *(nn.Flatten(), nn.Linear(pixels, width), nn.LeakyReLU(0.2), nn.Dropout(dropout)),
            *(nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Dropout(dropout), nn.Linear(width, 1)),
        )
        self.for_discriminator, self.for_generator = GAMES[game]
        self.kept_epochs = [2**power for power in range(16) if 2**power < epochs][1 - KEPT_EPOCHS :]
        self.kept_epochs.append(epochs)
        shape = (len(self.kept_epochs), SNAPSHOTS, *image_shape)
        self.register_buffer("snapshots", torch.zeros(shape, dtype=torch.uint8))

    def setup(self, stage: str) -> None:
        self.energy = self.trainer.datamodule.energy()  # type: ignore[attr-defined]

    def forward(self, noise: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] from standard normal noise (B, latent)."""
        return self.generator(noise)

    def generate(self, count: int, seed: int) -> Tensor:
        """Images (count, C, H, W) in [0, 1] from noise that depends on `seed` alone."""
        noise = torch.randn(count, self.hparams["latent"], generator=torch.Generator().manual_seed(seed))
        was_training = self.training
        with torch.no_grad():
            images: Tensor = self.eval()(noise.to(self.device))
        self.train(was_training)
        return images

    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """The mean loss of the discriminator on as many real as generated images."""
        loss = self.for_discriminator
        return loss(self.discriminator(real)).mean() + loss(-self.discriminator(generated)).mean()

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        real, _ = batch
        for_generator, for_discriminator = self.optimizers()  # type: ignore[attr-defined]
        generated = self(torch.randn(len(real), self.hparams["latent"], device=self.device))

        discriminator_loss = self.discriminator_loss(real, generated.detach())
        for_discriminator.zero_grad()
        self.manual_backward(discriminator_loss)
        for_discriminator.step()

        generator_loss = self.for_generator(self.discriminator(generated)).mean()
        for_generator.zero_grad()
        self.manual_backward(generator_loss)
        for_generator.step()

        losses = {"discriminator": discriminator_loss, "generator": generator_loss}
        losses["loss"] = discriminator_loss + generator_loss
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, on_step=False, on_epoch=True)

    def on_train_epoch_end(self) -> None:
        epoch = self.current_epoch + 1
        if epoch in self.kept_epochs:
            images = self.generate(SNAPSHOTS, NOISE_SEED)
            self.snapshots[self.kept_epochs.index(epoch)] = (255 * images).round().to(torch.uint8)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """The metrics on real images, with generated ones that are the same for each batch."""
        real, _ = batch
        generated = self.generate(GENERATED, NOISE_SEED)
        energy = self.energy(generated, real)
        loss = self.discriminator_loss(real, generated)
        return {"energy": energy.distance, "diversity": energy.diversity, "loss": loss}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.log_dict({f"val/{name}": value for name, value in self.scores(batch).items()})

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.log_dict({f"test/{name}": value for name, value in self.scores(batch).items()})

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """As many generated images as the batch has, from other noise for each batch."""
        return self.generate(len(batch[0]), batch_idx)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        lr, ratio, beta1 = (self.hparams[name] for name in ("lr", "ratio", "beta1"))
        return [
            torch.optim.Adam(self.generator.parameters(), lr, betas=(beta1, BETA2)),
            torch.optim.Adam(self.discriminator.parameters(), lr * ratio, betas=(beta1, BETA2)),
        ]
