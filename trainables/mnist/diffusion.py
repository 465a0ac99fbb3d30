"""A denoising diffusion model of small images (DDPM; Ho et al., NeurIPS 2020)."""

import math
from collections.abc import Iterator
from typing import Any, final

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.mnist.data import Batch
from trainables.mnist.energy import GENERATED
from trainables.mnist.nets import Shape
from trainables.mnist.noise import add_noise, fixed_noise, signals

FREQUENCIES = 16  # by which the network sees the noise level
HIGHEST = 100.0  # of them
NOISE_SEED = 0  # of all images that are compared
BETAS = (0.9, 0.99)


@final
class Denoiser(nn.Module):
    """Finds the noise in noisy images: residual blocks of dense layers that know the noise level.

    They predict the velocity, a mixture of noise and image that is well scaled at all levels (Salimans and
    Ho, ICLR 2022). A share of each noisy pixel, which depends on the level, goes into it directly. Without it
    the layers would have to be as wide as an image has pixels, for noise can't be compressed.
    """

    frequencies: Tensor

    def __init__(self, shape: Shape, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        pixels = shape[0] * shape[1] * shape[2]
        frequencies = torch.linspace(0, math.log(HIGHEST), FREQUENCIES).exp()
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.level = nn.Sequential(nn.Linear(2 * FREQUENCIES, width), nn.SiLU())
        self.first = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout)),
                nn.Linear(width, width),
            )
            for _ in range(depth)
        )
        last, share = nn.Linear(width, pixels), nn.Linear(2 * FREQUENCIES, pixels)
        for parameter in (*last.parameters(), *share.parameters()):
            nn.init.zeros_(parameter)
        self.last = nn.Sequential(nn.LayerNorm(width), last, nn.Unflatten(1, shape))
        self.share = nn.Sequential(share, nn.Unflatten(1, shape))

    def forward(self, noisy: Tensor, signal: Tensor) -> Tensor:
        """The noise in images (B, C, H, W), given the share of signal (B,) in their variance."""
        angles = signal.sqrt().clamp(max=1).acos()[:, None] * self.frequencies
        waves = torch.cat([angles.sin(), angles.cos()], 1)
        level, x = self.level(waves), self.first(noisy)
        for block in self.blocks:
            x = x + block(x + level)
        velocity: Tensor = self.last(x) + self.share(waves) * noisy
        signal = signal[:, None, None, None]
        return (1 - signal).sqrt() * noisy + signal.sqrt() * velocity


@final
class Diffusion(L.LightningModule):
    """Learns to remove noise of `steps` levels; images are made from noise by doing so step by step.

    The training loss is the squared error of the noise at random levels of the schedule `noise` (noise.py).
    `val/loss` is that at fixed levels with fixed noise, so it is comparable between schedules. `val/energy`
    and `val/diversity` compare generated with validation images (energy.py). `schedule` is that of the
    learning rate, `constant` or `cosine`. Raises ValueError for another `schedule`, and as `signals` does.
    """

    signal: Tensor

    def __init__(
        self,
        image_shape: Shape,
        lr: float = 2e-3,
        weight_decay: float = 1e-2,
        schedule: str = "cosine",
        width: int = 256,
        depth: int = 2,
        dropout: float = 0.0,
        noise: str = "cosine",
        steps: int = 50,
    ) -> None:
        super().__init__()
        if schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule is {schedule!r}, but must be constant or cosine (param.schedule=...)")
        self.save_hyperparameters()
        self.net = Denoiser(image_shape, width, depth, dropout)
        self.register_buffer("signal", signals(noise, steps), persistent=False)

    def setup(self, stage: str) -> None:
        self.energy = self.trainer.datamodule.energy()  # type: ignore[attr-defined]

    def forward(self, noisy: Tensor, signal: Tensor) -> Tensor:
        """The noise in images; see Denoiser."""
        return self.net(noisy, signal)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, _ = batch
        signal = self.signal[torch.randint(len(self.signal), (len(images),), device=self.device)]
        noise = torch.randn_like(images)
        loss = F.mse_loss(self(add_noise(images, noise, signal), signal), noise)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def scores(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The metrics on real images; noise depends on the number of the batch alone."""
        images, _ = batch
        noisy = fixed_noise(images, seed=batch_idx)
        loss = F.mse_loss(self(noisy.images, noisy.signal), noisy.noise)
        energy = self.energy(self.generate(GENERATED, NOISE_SEED), images)
        return {"loss": loss, "energy": energy.distance, "diversity": energy.diversity}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.log_dict({f"val/{name}": value for name, value in self.scores(batch, batch_idx).items()})

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.log_dict({f"test/{name}": value for name, value in self.scores(batch, batch_idx).items()})

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """As many generated images as the batch has, from other noise for each batch."""
        return self.generate(len(batch[0]), batch_idx)

    def generate(self, count: int, seed: int) -> Tensor:
        """Images (count, C, H, W) in [0, 1] from noise that depends on `seed` alone."""
        *_, images = self.path(count, seed)
        return images

    @torch.no_grad()
    def path(self, count: int, seed: int) -> Iterator[Tensor]:
        """The way from noise to images: (count, C, H, W) in [0, 1], `steps` + 1 times (algorithm 2).

        The module must be in evaluation mode. The estimate of the image is clipped to its range in each step.
        """
        generator, shape = torch.Generator().manual_seed(seed), self.hparams["image_shape"]

        def draw() -> Tensor:
            return torch.randn(count, *shape, generator=generator).to(self.device)

        x = draw()
        yield shown(x)
        before = torch.cat(
            [self.signal.new_ones(1), self.signal[:-1]]
        )  # of the next step, which has less noise
        for signal, after in zip(self.signal.flip(0), before.flip(0), strict=True):
            noise = self(x, signal.expand(count))
            image = ((x - (1 - signal).sqrt() * noise) / signal.sqrt()).clamp(-1, 1)
            kept = signal / after
            mean = after.sqrt() * (1 - kept) * image + kept.sqrt() * (1 - after) * x
            x = mean / (1 - signal)
            if after < 1:
                x = x + ((1 - after) / (1 - signal) * (1 - kept)).sqrt() * draw()
            yield shown(x)

    def configure_optimizers(self) -> Any:
        lr, weight_decay = self.hparams["lr"], self.hparams["weight_decay"]
        optimizer = torch.optim.AdamW(self.parameters(), lr, betas=BETAS, weight_decay=weight_decay)
        if self.hparams["schedule"] == "constant":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def shown(x: Tensor) -> Tensor:
    """Images in [0, 1] from values of which -1 is black and 1 is white."""
    return ((x + 1) / 2).clamp(0, 1)
