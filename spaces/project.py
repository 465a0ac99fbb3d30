"""The configuration of a project that is searched as it is: LightningCLI's or Hydra's.

A space names its file in place of module and data, and its parameters are dotted paths into it. A run keeps
the content of the file, so a later change of the project's file does not change the run.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict

from results.safe_yaml import ScientificLoader, read_node
from spaces.messages import did_you_mean, one_line
from spaces.validation import Rule, validate

Kind = Literal["lightning", "hydra"]
KINDS: tuple[Kind, ...] = ("lightning", "hydra")
CLASS = {"lightning": "class_path", "hydra": "_target_"}  # the key that names the class of an object
ClassPath = Annotated[str | None, Rule("be the path of a class, package.module.Class")]
Key = Annotated[str, Rule("be a key of the configuration")]


@dataclass(frozen=True)
class Project:
    """A configuration that builds the module, its data and the arguments of Lightning's Trainer.

    `config` is its content; that of Hydra is composed, with its interpolations still in it.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: Kind
    config: Annotated[Mapping[str, Any], Rule("hold the fields of a configuration")]
    cli: ClassPath = None  # the project's own subclass of LightningCLI
    model: ClassPath = None  # the LightningModule, where a LightningCLI has one and so names none
    data: ClassPath = None  # likewise the LightningDataModule
    module_key: Key = "model"  # of Hydra's configuration
    data_key: Key = "data"

    def plain(self) -> dict[str, Any]:
        """As in a run's config.yaml: the field of a space, with the content in place of the file."""
        defaults = {name: field.default for name, field in self.__dataclass_fields__.items()}
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "kind"}
        return {name: value for name, value in values.items() if value != defaults[name]}

    def class_of(self, key: str, own: str | None) -> str | None:
        """The import path `own`, or of the object at `key` of the configuration; None if there is none."""
        section = self.config.get(key)
        path = own or (section.get(CLASS[self.kind]) if isinstance(section, Mapping) else None)
        module, _, name = str(path or "").rpartition(".")
        return f"{module}:{name}" if module else None

    @property
    def trainable(self) -> str | None:
        """The import path of the LightningModule."""
        return self.class_of(self.module_key, self.model)

    @property
    def data_class(self) -> str | None:
        """The import path of the LightningDataModule; None if the module has loaders of its own."""
        return self.class_of(self.data_key, self.data)

    def value(self, path: str) -> Any:
        """The value at a dotted path; an empty mapping if there is none."""
        place: Any = self.config
        for key in path.split("."):
            place = place.get(key, {}) if isinstance(place, Mapping) else {}
        return place

    def with_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the configuration with these values at their dotted paths.

        Where a value changes a class, the arguments of the class before it go; those in `values` stay.
        """
        config = copy.deepcopy(dict(self.config))
        for path, value in sorted(values.items(), key=lambda item: not item[0].endswith(".class_path")):
            *above, last = path.split(".")
            place = config
            for key in above:
                place = place.setdefault(key, {})
            if last == "class_path" and place.get(last) != value:
                place.pop("init_args", None)
            place[last] = copy.deepcopy(value)
        return config

    def check_path(self, path: str, where: str) -> None:
        """Raises ValueError if nothing can stand at the dotted path: it names no field of an object there.

        An argument that the configuration leaves to its default may be named, too.
        """
        place: Any = self.config
        *above, last = path.split(".")
        for depth, key in enumerate(above):
            later = isinstance(place, Mapping) and key == "init_args" and CLASS[self.kind] in place
            if not isinstance(place, Mapping) or (key not in place and not later):
                raise ValueError(unknown(path, where, self.config, ".".join(above[: depth + 1])))
            place = place.get(key, {})
        is_object = above[-1:] == ["init_args"] or (isinstance(place, Mapping) and CLASS[self.kind] in place)
        if not isinstance(place, Mapping) or (last not in place and not is_object):
            raise ValueError(unknown(path, where, self.config, path))


def unknown(path: str, where: str, config: Mapping[str, Any], part: str) -> str:
    """The message for a dotted path whose `part` is not in the configuration."""
    return f"{where}: {part!r} is not in the configuration{did_you_mean(path, paths(config))}"


def paths(config: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The dotted paths of all values."""
    for key, value in config.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from paths(value, f"{path}.")
        else:
            yield path


def with_content(kind: Kind, plain: Any, folder: Path, where: str) -> Any:
    """The field `lightning` or `hydra` of a space file in `folder`, with content in place of a path.

    `plain` is the path of a configuration, or fields: its path as `config`, and further ones of `Project`;
    for Hydra also `overrides`. Raises ValueError if the file can't be read or composed.
    """
    fields = dict(plain) if isinstance(plain, Mapping) else {"config": plain}
    if not isinstance(fields.get("config"), str):
        return plain
    file = folder / fields["config"]
    if kind == "hydra":
        content = compose(file, fields.pop("overrides", []), where)
        return {**fields, "config": content}
    return {**fields, "config": read_lightning(file, where)}


def parse_project(kind: Kind, plain: Any, where: str) -> Project:
    """The project in plain fields, with the content of its configuration. Raises ValueError for a mistake."""
    fields = plain if isinstance(plain, Mapping) else {}
    if not isinstance(fields.get("config"), Mapping):
        raise ValueError(
            f"{where} is {plain!r:.80}, but must be the path of a configuration, or hold it as config"
        )
    project: Project = validate(
        Project, {**fields, "kind": kind}, lambda *path: ".".join((where, *path)), "{} in the space file"
    )
    if project.trainable is None:
        more = "model: package.module.Class beside config" if kind == "lightning" else "module_key: its key"
        raise ValueError(
            f"{where}: {project.module_key} names no class ({CLASS[kind]}); add {more} (in the space file)"
        )
    return project


def read_lightning(file: Path, where: str) -> dict[str, Any]:
    """The content of a configuration of LightningCLI. Raises ValueError if it is none."""
    try:
        plain = read_node(file, ScientificLoader)[1]
    except OSError as error:
        raise ValueError(f"{where}: the configuration {file} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{where}: the configuration {file} is not YAML: {one_line(error)}") from error
    section = plain.get("fit", plain)  # a configuration of all subcommands
    return dict(section) if isinstance(section, Mapping) else {}


def compose(file: Path, overrides: Any, where: str) -> dict[str, Any]:
    """The content of a Hydra configuration with its defaults and overrides; interpolations stay as they are.

    Raises ValueError if it can't be composed.
    """
    from hydra import compose as compose_config
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not isinstance(overrides, list) or not all(isinstance(override, str) for override in overrides):
        raise ValueError(f"{where}.overrides is {overrides!r}, but must be a list such as [experiment=small]")
    if not file.is_file():
        raise ValueError(f"{where}: the configuration {file} can't be read: there is no such file")
    try:
        with initialize_config_dir(str(file.parent.resolve()), version_base=None):
            config = compose_config(file.stem, overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(f"{where}: {file} can't be composed: {one_line(error)[:300]}") from error
    content = OmegaConf.to_container(config, resolve=False)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}
