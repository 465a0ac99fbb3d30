"""Makes the parts of a LightningCLI configuration with LightningCLI itself.

jsonargparse makes all objects: nested ones, callables such as `Callable[..., Optimizer]`, the optimizer and
scheduler sections, callbacks and loggers.
"""

import warnings
from collections.abc import Hashable, Mapping
from typing import Any

import lightning as L
from jsonargparse import ArgumentError
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.utilities.seed import isolate_rng

from spaces.messages import one_line
from spaces.project import Project
from trainables import import_path, pytorch_lightning
from trainables.projects.by_value import by_value
from trainables.projects.parts import Parts, Seeds
from trainables.seeding import seed_all

Call = tuple[type, Mapping[Any, Any]]  # a class and its arguments by name or position
FIT = ("ckpt_path", "weights_only")  # of the command fit, not of the objects


def parts(project: Project, values: Mapping[str, Any], seeds: Seeds) -> Parts:
    """The parts of the configuration with these values at their dotted paths.

    Raises ValueError if LightningCLI refuses the configuration, and any exception of the objects.
    """
    pytorch_lightning.alias()
    config = {**project.with_values(values), "seed_everything": False}
    config = {key: value for key, value in config.items() if key not in FIT}
    base = class_at(project.cli) or LightningCLI
    calls: list[Call] = []
    cli = search_cli(base, seeds, calls)
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
    trainer = dict(made.config_init.get("trainer") or {})
    held = holds(made.model, made.datamodule)
    key = data_key(base, calls[-1], made.config) if calls and not held else None
    return Parts(made.model, made.datamodule, trainer, key)


def data_key(base: type[LightningCLI], call: Call, config: Any) -> Hashable | None:
    """A key of the data that the call has made; None if it has an argument that can't be compared.

    An object among the arguments counts by its section of the configuration, unless the program may have
    linked values into that.
    """
    cls, arguments = call
    section = config["data"].as_dict()
    section = section.get("init_args", section)
    links = base.add_arguments_to_parser is not LightningCLI.add_arguments_to_parser
    keys: dict[Any, Hashable] = {}
    for name, value in arguments.items():
        try:
            keys[name] = by_value(value)
        except TypeError:
            if links or name not in section:
                return None
            keys[name] = ("section", by_value(section[name]))
    return cls, tuple(keys.items())


def class_at(path: str | None) -> Any:
    """The class at package.module.Class; None for None. Raises ValueError if there is none."""
    return None if path is None else import_path.load(":".join(path.rsplit(".", 1)))


def holds(module: L.LightningModule, data: object) -> bool:
    """Whether the module has the data itself among its attributes or arguments, by a link of the program."""
    found = [value for part in module.modules() for value in vars(part).values()]
    return any(value is data for value in (*found, *module.hparams.values()))


def search_cli(base: type[LightningCLI], seeds: Seeds, calls: list[Call]) -> type[LightningCLI]:
    """A subclass that makes no Trainer, seeds the random generators, and adds to `calls` how data is made.

    All objects draw from the seed of the module, for its parts are made before itself; the data from its own.
    """

    class SearchCLI(base):  # type: ignore[misc,valid-type]  # the project's own class
        def before_instantiate_classes(self) -> None:
            super().before_instantiate_classes()
            self.parser.add_instantiator(make_data, L.LightningDataModule, prepend=True)
            seed_all(seeds.module)

        def instantiate_trainer(self, **kwargs: Any) -> Any:
            return None

    def make_data(cls: type, *arguments: Any, **named: Any) -> Any:
        with isolate_rng():
            seed_all(seeds.data)
            data = cls(*arguments, **named)
        calls.append((cls, {**dict(enumerate(arguments)), **named}))
        return data

    return SearchCLI
