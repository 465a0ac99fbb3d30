"""Makes the parts of a LightningCLI configuration with LightningCLI itself.

jsonargparse makes all objects: nested ones, callables such as `Callable[..., Optimizer]`, the optimizer and
scheduler sections, callbacks and loggers.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import lightning as L
from jsonargparse import ArgumentError
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.utilities.seed import isolate_rng

from spaces.messages import one_line
from spaces.project import Project
from trainables import import_path, pytorch_lightning
from trainables.projects.parts import Parts, Seeds
from trainables.seeding import seed_all

FIT = ("ckpt_path", "weights_only")  # of the command fit, not of the objects


def parts(project: Project, values: Mapping[str, Any], seeds: Seeds) -> Parts:
    """The parts of the configuration with these values at their dotted paths.

    Raises ValueError if LightningCLI refuses the configuration, and any exception of the objects.
    """
    pytorch_lightning.alias()
    config = {**project.with_values(values), "seed_everything": False}
    config = {key: value for key, value in config.items() if key not in FIT}
    cli = search_cli(class_at(project.cli) or LightningCLI, seeds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the arguments of this process are not those of the configuration
        try:
            made = cli(
                class_at(project.model),
                class_at(project.data),
                save_config_callback=None,
                parser_kwargs={"exit_on_error": False},
                args=config,
                run=False,
            )
        except ArgumentError as error:
            raise ValueError(f"LightningCLI refuses the configuration: {one_line(error)[:400]}") from error
    return Parts(made.model, made.datamodule, dict(made.config_init.get("trainer") or {}))


def class_at(path: str | None) -> Any:
    """The class at package.module.Class; None for None. Raises ValueError if there is none."""
    return None if path is None else import_path.load(":".join(path.rsplit(".", 1)))


def search_cli(base: type[LightningCLI], seeds: Seeds) -> type[LightningCLI]:
    """A subclass that makes no Trainer, and seeds the random generators.

    All objects draw from the seed of the module, for its parts are made before itself; the data from its own.
    """

    class SearchCLI(base):  # type: ignore[misc,valid-type]  # the project's own class
        def before_instantiate_classes(self) -> None:
            super().before_instantiate_classes()
            self.parser.add_instantiator(make_data, L.LightningDataModule)
            seed_all(seeds.module)

        def instantiate_trainer(self, **kwargs: Any) -> Any:
            return None

    def make_data(cls: type, *arguments: Any, **named: Any) -> Any:
        with isolate_rng():
            seed_all(seeds.data)
            return cls(*arguments, **named)

    return SearchCLI
