"""The contrastive learner: two views of an image shall be nearer to each other than to any other image.

SimCLR (Chen et al., ICML 2020): encoder, projection, and the cross-entropy of telling a view's partner from
all other views of the batch. No label is learned from; validation uses labels to measure what was learned.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.learner import Learner
from trainables.mnist.nets import Shape, encoder, parse_widths
from trainables.mnist.prepare import check
from trainables.mnist.views import Views


class Contrastive(Learner):
    """`forward` is the encoder: images in, `features` numbers each out. `projection` is for the loss alone.

    Validation measures `neighbour`: how often the most similar other image of the batch is of the same class.
    """

    temperature: Tensor

    def __init__(
        self,
        *,
        image_shape: Shape,
        baseline_accuracy: float | None = None,
        net: str = "mlp",
        features: int = 64,
        projection: int = 32,
        temperature: float = 0.5,
        widths: str = "256-128",
        norm: str = "batch",
        **settings: Any,
    ) -> None:
        super().__init__(baseline=baseline_accuracy, **settings)
        check({"net": net})
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}, but must be above 0 (param.temperature=...)")
        self.encoder = encoder(net, image_shape, parse_widths(widths), features, norm, 0.0)
        self.projection = nn.Sequential(
            nn.Linear(features, features), nn.ReLU(), nn.Linear(features, projection)
        )
        # A tensor, so that the lanes of a pack can differ in it.
        self.register_buffer("temperature", torch.tensor(temperature), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, features) of images (B, C, H, W) in [0, 1]."""
        return self.encoder(images)

    def losses(self, batch: Views) -> Tensor:
        """NT-Xent of each image, the mean of its two views': (B,)."""
        _, first, second = batch[0].unbind(1)
        views = F.normalize(self.projection(self(torch.cat([first, second]))), dim=1)
        count = len(first)
        itself = torch.eye(2 * count, dtype=torch.bool, device=views.device)
        alike = (views @ views.T / self.temperature).masked_fill(itself, float("-inf"))
        partner = torch.arange(2 * count, device=views.device).roll(count)
        losses = alike.logsumexp(1) - alike.gather(1, partner[:, None])[:, 0]
        return (losses[:count] + losses[count:]) / 2

    def metrics(self, batch: Views) -> dict[str, Tensor]:
        views, labels = batch
        images = views[:, 0]
        features = F.normalize(self(images), dim=1)
        itself = torch.eye(len(images), dtype=torch.bool, device=features.device)
        nearest = (features @ features.T).masked_fill(itself, float("-inf")).argmax(1)
        return {"loss": self.losses(batch), "neighbour": (labels[nearest] == labels).float()}
