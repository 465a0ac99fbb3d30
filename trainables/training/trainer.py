"""A Lightning Trainer without defaults that a search does not need."""

import logging
import os
import warnings
from typing import Any

import lightning as L

from trainables.training.precision import precision

# By default PyTorch looks for GPUs by loading NVML anew, which the optimizer triggers in each step. That
# protects processes that fork after the look-up; ours do not.
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


def make_trainer(mixed_precision: bool, **options: Any) -> L.Trainer:
    """A Trainer on one device, without logger, progress bar and sanity check; `options` override the rest."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # They recommend loader workers and other log intervals, which Ladder chooses.
    warnings.filterwarnings("ignore", module="lightning.*")
    defaults = {
        "accelerator": "auto",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
        "precision": precision(mixed_precision),
    }
    return L.Trainer(**{**defaults, **options})
