"""The probe: how well does a frozen encoder tell classes apart? What is learned is the layers behind it."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn

from trainables.learner import Learner
from trainables.mnist.contrastive import Contrastive
from trainables.mnist.data import Batch
from trainables.mnist.nets import Shape, mlp, parse_widths


class Probe(Learner):
    """Layers of `widths` (none: a linear probe) that name the class of what the encoder makes of an image.

    `encoder` is the folder `best/` of an exported contrastive run; without one the encoder stays as it is
    initialised, which is what a learned one has to beat.
    """

    def __init__(
        self,
        *,
        n_classes: int,
        image_shape: Shape,
        baseline_accuracy: float | None = None,
        encoder: str | None = None,
        widths: str = "none",
        dropout: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(baseline=baseline_accuracy, **settings)
        self.source = exported(Path(encoder)) if encoder else Contrastive(image_shape=image_shape)
        self.source.requires_grad_(False)
        features = self.source(torch.zeros(2, *image_shape)).shape[1]
        self.head = mlp(
            features, [] if widths == "none" else parse_widths(widths), n_classes, "none", dropout
        )

    def train(self, mode: bool = True) -> "Probe":
        super().train(mode)
        self.source.eval()  # its batch norm stays as it was learned
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


def exported(folder: Path) -> nn.Module:
    """The contrastive learner in the folder of an export. Raises ValueError if there is none."""
    try:
        model = yaml.safe_load((folder / "config.yaml").read_text())["model"]
        learner = Contrastive(**model["init_args"])
        learner.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"encoder is {folder}, which has no exported contrastive learner ({type(error).__name__}); "
            "make it with: python -m search export NAME, and set encoder=runs/NAME/best"
        ) from error
    return learner
