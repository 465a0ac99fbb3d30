"""`python -m trainables fit --config runs/NAME/best/config.yaml`: LightningCLI over any module and data.

Its commands are Lightning's: fit, validate, test, predict. A configuration comes from `python -m search
export`, or from anyone's hand.
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
from trainables.training.fit import precision
from trainables.training.single import seed_all, seeded_setup

# What data tells a learner may be a tensor, and YAML has lists.
register_type(torch.Tensor, serializer=torch.Tensor.tolist, deserializer=torch.tensor)
AS_IN_SEARCH = "trainables.training.reproduce.ReproduceTrial"


class CLI(LightningCLI):
    """LightningCLI, with what a search does besides: facts of the data for the module, its precision, and,
    where the configuration has the callback ReproduceTrial, the seeds of the module and of the data.
    """

    def before_instantiate_classes(self) -> None:
        """Puts what the data says of itself now in the place of what the configuration says, and sets how the
        module and the data are made.
        """
        config = self.config[self.subcommand]
        if config.get("data") and hasattr(named(config.data.class_path), "facts"):
            data = instantiate_class((), config.data.as_dict())
            for name, value in data.facts().items():
                if name in config.model.init_args:
                    config.model.init_args[name] = value
        known = [c.init_args for c in config.trainer.callbacks or [] if c.class_path == AS_IN_SEARCH]
        data_seed = known[0].data_seed if known else None

        def make_module(cls: type[L.LightningModule], **arguments: Any) -> L.LightningModule:
            if data_seed is not None:
                seed_all(config.seed_everything)  # the first weights depend on nothing drawn before
            module = cls(**arguments)
            if not module.hparams:
                # So that load_from_checkpoint needs nothing but what fit has written.
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
        """The configuration says what the module is; a checkpoint given beside it has its weights alone."""

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        if self.config[self.subcommand].trainer.precision is None and isinstance(self.model, Learner):
            kwargs["precision"] = precision(self.model.mixed_precision)
        return super().instantiate_trainer(**kwargs)

    def predict(self, **kwargs: Any) -> None:
        """Lightning's predict, whose results go into `predictions.pt` in the logger's folder."""
        predictions = self.trainer.predict(**kwargs)
        folder = Path(self.trainer.log_dir or self.trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(predictions, folder / "predictions.pt")
        print(f"{len(predictions or [])} batches of predictions in {folder / 'predictions.pt'}")


def named(class_path: str) -> Any:
    """The class that LightningCLI calls package.module.Class."""
    return import_path.load(":".join(class_path.rsplit(".", 1)))


if __name__ == "__main__":
    # Of what Lightning and jsonargparse ask of each other: nothing that a user could mend.
    warnings.filterwarnings("ignore", module="lightning.*")
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    CLI(auto_configure_optimizers=False, load_from_checkpoint_support=False)
