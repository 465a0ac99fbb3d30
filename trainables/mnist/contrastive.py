"""Contrastive encoder of small images: SimCLR (Chen et al., ICML 2020), trained without labels.

The loss is the cross-entropy of picking, among all other views of the batch, the second view of the same
image. Validation uses labels to measure the features.
"""

from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.learner import Learner
from trainables.mnist.nets import Shape, encoder, parse_widths
from trainables.mnist.prepare import check_options
from trainables.mnist.views import Views


@final
class Contrastive(Learner):
    """`forward` is the encoder, images to `features` numbers. The loss alone uses the projection head.

    Validation measures `neighbour`: the share of images whose nearest neighbour in the batch, by cosine
    similarity of the features, has the same class.

    Raises ValueError for an unknown `net` or `norm`, malformed `widths`, or a `temperature` <= 0.
    """

    temperature: Tensor

    def __init__(
        self,
        *,
        image_shape: Shape,
        net: str = "mlp",
        features: int = 64,
        projection: int = 32,
        temperature: float = 0.5,
        widths: str = "256-128",
        norm: str = "batch",
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        check_options({"net": net})
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}, but must be > 0 (param.temperature=...)")
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
        """NT-Xent loss of each image, the mean over its two views: (B,)."""
        _, first, second = batch[0].unbind(1)
        count = len(first)
        similarity = cosine_similarity(self.projection(self(torch.cat([first, second])))) / self.temperature
        partner = torch.arange(2 * count, device=similarity.device).roll(count)
        losses = similarity.logsumexp(1) - similarity.gather(1, partner[:, None])[:, 0]
        return (losses[:count] + losses[count:]) / 2

    def metrics(self, batch: Views) -> dict[str, Tensor]:
        views, labels = batch
        nearest = cosine_similarity(self(views[:, 0])).argmax(1)
        return {"loss": self.losses(batch), "neighbour": (labels[nearest] == labels).float()}


def cosine_similarity(features: Tensor) -> Tensor:
    """Cosine similarity of each pair of rows, (B, D) to (B, B); -inf between a row and itself."""
    rows = F.normalize(features, dim=1)
    diagonal = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    return (rows @ rows.T).masked_fill(diagonal, float("-inf"))
