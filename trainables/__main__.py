"""`python -m trainables fit --config runs/NAME/best/config.yaml`: LightningCLI for any module and data.

The commands are Lightning's: fit, validate, test, predict. `python -m search export` writes configurations;
others work too.
"""

import os
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from jsonargparse.typing import register_type
from lightning.pytorch.cli import LightningCLI, instantiate_class

from trainables import import_path
from trainables.learner import Learner
from trainables.seeding import seed_all, seeded_setup
from trainables.training.precision import precision

# A fact of the data may be a tensor, but YAML has only lists.
register_type(torch.Tensor, serializer=torch.Tensor.tolist, deserializer=torch.tensor)
REPRODUCE_TRIAL = "trainables.training.reproduce.ReproduceTrial"


class CLI(LightningCLI):
    """LightningCLI that builds module and data as a search does.

    The module gets the facts of the data as arguments, and a Learner its precision. With the callback
    ReproduceTrial in the configuration, module and data also get the seeds of the trial.
    """

    def before_instantiate_classes(self) -> None:
        """Replaces the module's arguments by current facts of the data, and sets how both are built."""
        config = self.config[self.subcommand]
        if config.get("data") and hasattr(load_class(config.data.class_path), "facts"):
            data = instantiate_class((), config.data.as_dict())
            for name, value in data.facts().items():
                if name in config.model.init_args:
                    config.model.init_args[name] = value
        seeds = [c.init_args for c in config.trainer.callbacks or [] if c.class_path == REPRODUCE_TRIAL]
        data_seed = seeds[0].data_seed if seeds else None

        def make_module(cls: type[L.LightningModule], **arguments: Any) -> L.LightningModule:
            if data_seed is not None:
                seed_all(config.seed_everything)  # initial weights must not depend on earlier draws
            module = cls(**arguments)
            if not module.hparams:
                # load_from_checkpoint then needs no further arguments.
                module.save_hyperparameters(arguments, logger=False)
            return module

        def make_data(cls: type[L.LightningDataModule], **arguments: Any) -> L.LightningDataModule:
            if data_seed is None:
                return cls(**arguments)
            seed_all(data_seed)
            return seeded_setup(cls(**arguments), data_seed)

        self.parser.add_instantiator(make_module, L.LightningModule)
        self.parser.add_instantiator(make_data, L.LightningDataModule)

    def _parse_ckpt_path(self) -> None:
        """Overrides a private method: a checkpoint gives the weights, the configuration all arguments."""

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        if self.config[self.subcommand].trainer.precision is None and isinstance(self.model, Learner):
            kwargs["precision"] = precision(self.model.mixed_precision)
        return super().instantiate_trainer(**kwargs)

    def predict(self, **kwargs: Any) -> None:
        """Lightning's predict; saves the predictions as `predictions.pt` in the logger's folder."""
        predictions = self.trainer.predict(**kwargs)
        folder = Path(self.trainer.log_dir or self.trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(predictions, folder / "predictions.pt")
        print(f"{len(predictions or [])} batches of predictions in {folder / 'predictions.pt'}")


def load_class(class_path: str) -> Any:
    """The class at LightningCLI's path package.module.Class. Raises ValueError if it does not exist."""
    return import_path.load(":".join(class_path.rsplit(".", 1)))


if __name__ == "__main__":
    # Deprecations between Lightning and jsonargparse, which a user can't fix.
    warnings.filterwarnings("ignore", module="lightning.*")
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    CLI(auto_configure_optimizers=False, load_from_checkpoint_support=False)
