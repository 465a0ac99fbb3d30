"""Arguments of Lightning's Trainer that a space or a project may set, for modules that are no Learner."""

import inspect
from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelSummary, ProgressBar
from lightning.pytorch.cli import instantiate_class

from trainables import import_path
from trainables.learner import Learner

OWN = (  # Ladder sets them: a trial pauses at rungs, on one device, without a screen of its own
    "barebones",
    "check_val_every_n_epoch",
    "default_root_dir",
    "devices",
    "enable_autolog_hparams",
    "enable_checkpointing",
    "enable_model_summary",
    "enable_progress_bar",
    "fast_dev_run",
    "max_epochs",
    "max_time",
    "min_epochs",
    "min_steps",
    "model_registry",
    "num_nodes",
    "num_sanity_val_steps",
    "overfit_batches",
    "plugins",
    "reload_dataloaders_every_n_epochs",
    "use_distributed_sampler",
)
SCREEN = (ModelSummary, ProgressBar)  # callbacks that write to the terminal


def check(trainable: str, options: Mapping[str, Any]) -> None:
    """Checks the Trainer's arguments for `trainable` (package.module:Class).

    Raises ValueError for an argument that the Trainer lacks or Ladder sets, for any argument if the class is
    a Learner, and if there is no such class.
    """
    known = set(inspect.signature(L.Trainer.__init__).parameters) - {"self"}
    for name in options:
        if name not in known or name in OWN:
            reason = "is set by Ladder" if name in known else "is no argument of Lightning's Trainer"
            allowed = ", ".join(sorted(known - set(OWN)))
            raise ValueError(f"trainer.{name} {reason}; a space may set {allowed} (trainer in its file)")
    module = import_path.load(trainable)
    if options and isinstance(module, type) and issubclass(module, Learner):
        raise ValueError(
            f"trainer is {dict(options)}, but has no effect on {trainable}: Ladder trains "
            "a Learner by steps of its own (trainer in the space file)"
        )


def trainer_options(project: Mapping[str, Any], space: Mapping[str, Any]) -> dict[str, Any]:
    """The Trainer's arguments of a project, without those that Ladder sets, and those of the space over them.

    Objects that the space describes by `class_path` and `init_args` are made. Callbacks that write to the
    terminal are left out.
    """
    options = {name: value for name, value in project.items() if name not in OWN and value is not None}
    options |= {name: made(value) for name, value in space.items()}
    callbacks = options.get("callbacks") or []
    callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
    return options | {"callbacks": [one for one in callbacks if not isinstance(one, SCREEN)]}


def made(value: Any) -> Any:
    """A value of a space file; objects that it describes are made, in lists too."""
    if isinstance(value, Mapping) and "class_path" in value:
        return instantiate_class((), dict(value))
    return [made(one) for one in value] if isinstance(value, list | tuple) else value
