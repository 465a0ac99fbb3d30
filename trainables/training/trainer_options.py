"""What a space may say of Lightning's Trainer (`trainer:` in its file), for modules that are no Learner."""

import inspect
from collections.abc import Mapping
from typing import Any

import lightning as L

from trainables import import_path
from trainables.learner import Learner

FREE = (
    "accumulate_grad_batches",
    "benchmark",
    "detect_anomaly",
    "deterministic",
    "gradient_clip_algorithm",
    "gradient_clip_val",
    "inference_mode",
    "limit_train_batches",
    "limit_val_batches",
    "precision",
)


def check(trainable: str, arguments: Mapping[str, Any]) -> None:
    """Raises ValueError for an argument that the Trainer lacks or Ladder sets, and for a Learner."""
    known = inspect.signature(L.Trainer.__init__).parameters
    for name in arguments:
        if name not in FREE:
            why = "is set by Ladder" if name in known else "is no argument of Lightning's Trainer"
            raise ValueError(f"trainer.{name} {why}; a space may set {', '.join(FREE)} (trainer in its file)")
    module = import_path.load(trainable)
    if arguments and isinstance(module, type) and issubclass(module, Learner):
        raise ValueError(
            f"trainer is {dict(arguments)}, but {trainable} is a Learner, whose steps are Ladder's own: "
            "it would have no effect (trainer in the space file)"
        )
