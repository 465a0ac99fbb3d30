"""Classifier of small images."""

from typing import Any, final

import torch
from torch import Tensor

from trainables.learner import Learner
from trainables.losses import REGRESSION_LOSSES, Function, Loss, cross_entropy
from trainables.mnist.data import Batch
from trainables.mnist.nets import Shape, encoder, parse_widths
from trainables.mnist.prepare import check_options


def on_probabilities(loss: Function) -> Function:
    """Turns a loss on probabilities into one on logits, both (B, C)."""
    return lambda logits, target: loss(logits.softmax(1), target)


CLASS_LOSSES: dict[str, Function] = {
    "cross_entropy": cross_entropy,
    **{name: on_probabilities(loss) for name, loss in REGRESSION_LOSSES.items()},
}


@final
class Classifier(Learner):
    """Dense layers (`net="mlp"`), after convolutions (`"cnn"`) or after a vision transformer (`"vit"`).

    `loss="cross_entropy"` applies to the logits; mse, l1 and linf compare the probabilities with the target.
    The target is one-hot with `label_smoothing` (Szegedy et al., CVPR 2016). Validation measures `accuracy`
    for every loss.

    Raises ValueError for an unknown `net`, `loss` or `norm`, malformed `widths`, or a `dropout` or
    `label_smoothing` outside [0, 1).
    """

    label_smoothing: Tensor

    def __init__(
        self,
        *,
        n_classes: int,
        image_shape: Shape,
        net: str = "mlp",
        loss: str = "cross_entropy",
        widths: str = "128-64",
        norm: str = "none",
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        check_options({"net": net})
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"label_smoothing is {label_smoothing}, but must be in [0, 1) (param.label_smoothing=...)"
            )
        self.loss, self.n_classes = Loss(loss, CLASS_LOSSES), n_classes
        self.net = encoder(net, image_shape, parse_widths(widths), n_classes, norm, dropout)
        # A tensor, so that the lanes of a pack can differ in it.
        self.register_buffer("label_smoothing", torch.tensor(label_smoothing), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, n_classes) of images (B, C, H, W) in [0, 1]."""
        return self.net(images)

    def logit_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each sample, (B,), from logits (B, n_classes) and labels (B,)."""
        one_hot = (labels[:, None] == torch.arange(self.n_classes, device=labels.device)).float()
        target = one_hot * (1 - self.label_smoothing) + self.label_smoothing / self.n_classes
        values: Tensor = self.loss(logits, target)
        return values

    def losses(self, batch: Batch) -> Tensor:
        images, labels = batch
        return self.logit_losses(self(images), labels)

    def metrics(self, batch: Batch) -> dict[str, Tensor]:
        images, labels = batch
        logits = self(images)
        return {
            "loss": self.logit_losses(logits, labels),
            "accuracy": (logits.argmax(1) == labels).float(),
        }
