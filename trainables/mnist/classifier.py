"""The classifier: an image in, the probabilities of its classes out."""

from typing import Any

import torch
from torch import Tensor

from trainables.learner import Learner
from trainables.losses import Function, Loss, cross_entropy, l1, linf, mse
from trainables.mnist.data import Batch
from trainables.mnist.nets import Shape, encoder, parse_widths
from trainables.mnist.prepare import check


def of_probabilities(loss: Function) -> Function:
    """A loss of probabilities as one of logits (B, C)."""
    return lambda logits, target: loss(logits.softmax(1), target)


CLASS_LOSSES: dict[str, Function] = {
    "cross_entropy": cross_entropy,
    "mse": of_probabilities(mse),
    "l1": of_probabilities(l1),
    "linf": of_probabilities(linf),
}


class Classifier(Learner):
    """Dense layers (`net="mlp"`), or convolutions and dense layers (`"cnn"`).

    `loss="cross_entropy"` is of the logits; mse, l1 and linf are between the probabilities and the target.
    The target is one-hot, less `label_smoothing`, which is spread evenly over all classes (Szegedy et al.,
    CVPR 2016). Whatever the loss, validation measures `accuracy`.
    """

    label_smoothing: Tensor

    def __init__(
        self,
        *,
        n_classes: int,
        image_shape: Shape,
        baseline_accuracy: float | None = None,
        net: str = "mlp",
        loss: str = "cross_entropy",
        widths: str = "128-64",
        norm: str = "none",
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(baseline=baseline_accuracy, **settings)
        check({"net": net})
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

    def score(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each sample, (B,)."""
        one_hot = (labels[:, None] == torch.arange(self.n_classes, device=labels.device)).float()
        target = one_hot * (1 - self.label_smoothing) + self.label_smoothing / self.n_classes
        found: Tensor = self.loss(logits, target)
        return found

    def losses(self, batch: Batch) -> Tensor:
        images, labels = batch
        return self.score(self(images), labels)

    def metrics(self, batch: Batch) -> dict[str, Tensor]:
        images, labels = batch
        logits = self(images)
        return {"loss": self.score(logits, labels), "accuracy": (logits.argmax(1) == labels).float()}
