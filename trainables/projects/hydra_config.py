"""Makes the parts of a composed Hydra configuration with `hydra.utils.instantiate`."""

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from spaces.messages import one_line
from spaces.project import Project
from trainables import import_path, pytorch_lightning
from trainables.projects.by_value import by_value
from trainables.projects.parts import Parts, Seeds
from trainables.seeding import seed_all

ROOT_MARKER, ROOT_VARIABLE = ".project-root", "PROJECT_ROOT"  # of the package rootutils


def parts(project: Project, values: Mapping[str, Any], seeds: Seeds, files: Path) -> Parts:
    """The parts of the configuration with these values at their dotted paths; callbacks may write to `files`.

    Callbacks and loggers stand in mappings of that name, as in many projects, or in the Trainer's section.
    Raises ValueError if a section is missing or can't be resolved, and any exception of the objects.
    """
    pytorch_lightning.alias()
    assert project.trainable
    set_root(import_path.find(project.trainable))
    # What Hydra's own application says of a job: here the job is a trial.
    known = {"runtime.output_dir": str(files), "runtime.cwd": os.getcwd(), "job.name": files.name}
    OmegaConf.register_new_resolver("hydra", lambda key: known.get(key, ""), replace=True)
    config = OmegaConf.create(project.with_values(values))
    seed_all(seeds.data)
    data = make(config, project.data_key) if config.get(project.data_key) else None
    key = None if data is None else section_key(config, project.data_key)
    seed_all(seeds.module)
    module = make(config, project.module_key)
    trainer = {k: v for k, v in (make_all(config.get("trainer")) or {}).items() if k != "_target_"}
    for name in ("callbacks", "logger"):
        if objects := make_all(config.get(name)):
            trainer[name] = [one for one in objects.values() if not isinstance(one, str)]
    return Parts(module, data, trainer, key)


def section_key(config: DictConfig, key: str) -> Hashable | None:
    """A key of the object that a section makes; None if the section has a value that can't be compared."""
    try:
        return by_value(OmegaConf.to_container(config[key], resolve=True))
    except TypeError:
        return None


def make(config: DictConfig, key: str) -> Any:
    """The object of a section. Raises ValueError if it can't be made."""
    try:
        return instantiate(config[key])
    except (HydraException, OmegaConfBaseException) as error:
        reason = one_line(error)[:300]
        raise ValueError(f"{key} of the Hydra configuration can't be made: {reason}") from error


def make_all(section: DictConfig | None) -> dict[str, Any] | None:
    """The objects and values of a section that may be empty; it is not made itself."""
    if not section:
        return None
    return {
        str(key): instantiate(value) if OmegaConf.is_config(value) else value
        for key, value in section.items()
    }


def set_root(source: Path | None) -> None:
    """Sets the variable that a project's own start script sets, where it is not set.

    It is the folder with a marker file above `source`, the file of the module.
    """
    for folder in source.parents if source else ():
        if (folder / ROOT_MARKER).exists():
            os.environ.setdefault(ROOT_VARIABLE, str(folder))
            return
