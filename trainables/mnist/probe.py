"""Probe: a classifier on the features of a frozen encoder, a measure of how well they separate classes."""

from pathlib import Path
from typing import Any, Self, final

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from results.safe_yaml import read_fields
from trainables import import_path
from trainables.learner import Learner
from trainables.mnist.contrastive import Contrastive
from trainables.mnist.data import Batch
from trainables.mnist.nets import Shape, mlp, parse_widths


@final
class Probe(Learner):
    """A classifier of `widths` (`none`: linear) on the features of a frozen encoder.

    `encoder` is the folder `best/` of an exported contrastive run. Without it the encoder keeps its random
    initial weights, the control that a trained encoder must beat.

    Raises ValueError if the folder holds no exported contrastive encoder, for malformed `widths`, or for a
    `dropout` outside [0, 1).
    """

    def __init__(
        self,
        *,
        n_classes: int,
        image_shape: Shape,
        encoder: str | None = None,
        widths: str = "none",
        dropout: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.source = load_encoder(Path(encoder)) if encoder else Contrastive(image_shape=image_shape)
        self.source.requires_grad_(False).eval()  # the next line must not change its batch norm
        features = self.source(torch.zeros(2, *image_shape)).shape[1]
        self.head = mlp(
            features, [] if widths == "none" else parse_widths(widths), n_classes, "none", dropout
        )

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.source.eval()  # keeps the running statistics of its batch norm
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, n_classes) of images (B, C, H, W) in [0, 1]."""
        return self.head(self.source(images))

    def losses(self, batch: Batch) -> Tensor:
        images, labels = batch
        return F.cross_entropy(self(images), labels, reduction="none")

    def metrics(self, batch: Batch) -> dict[str, Tensor]:
        images, labels = batch
        logits = self(images)
        return {
            "loss": F.cross_entropy(logits, labels, reduction="none"),
            "accuracy": (logits.argmax(1) == labels).float(),
        }


def load_encoder(folder: Path) -> Contrastive:
    """The contrastive encoder exported to `folder`.

    Raises ValueError if its config.yaml or model.safetensors is missing, or belongs to another learner.
    """
    try:
        model = read_fields(folder / "config.yaml")["model"]
        learner: Contrastive = import_path.build(Contrastive, model["init_args"])
        learner.load_state_dict(load_file(folder / "model.safetensors"))
    except Exception as error:  # whatever a learner and its weights meet in files of another kind
        raise ValueError(
            f"encoder is {folder}, which has no exported contrastive learner ({type(error).__name__}); "
            "make it with: python -m search export NAME, and set encoder=runs/NAME/best"
        ) from error
    return learner
