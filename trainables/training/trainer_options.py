"""Arguments of Lightning's Trainer that a space may set, in `trainer:`, for modules that are no Learner."""

import inspect
from collections.abc import Mapping
from typing import Any

import lightning as L

from trainables import import_path
from trainables.learner import Learner

ALLOWED = (
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


def check(trainable: str, options: Mapping[str, Any]) -> None:
    """Checks the Trainer's arguments for `trainable` (package.module:Class).

    Raises ValueError for an argument that the Trainer lacks or Ladder sets, for any argument if the class is
    a Learner, and if there is no such class.
    """
    known = inspect.signature(L.Trainer.__init__).parameters
    for name in options:
        if name not in ALLOWED:
            reason = "is set by Ladder" if name in known else "is no argument of Lightning's Trainer"
            raise ValueError(
                f"trainer.{name} {reason}; a space may set {', '.join(ALLOWED)} (trainer in its file)"
            )
    module = import_path.load(trainable)
    if options and isinstance(module, type) and issubclass(module, Learner):
        raise ValueError(
            f"trainer is {dict(options)}, but has no effect on {trainable}: Ladder trains a Learner by steps "
            "of its own (trainer in the space file)"
        )
