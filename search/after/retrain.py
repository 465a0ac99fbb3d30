"""The command that trains a trial of a run again."""

import re
import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any

from search.config.run_config import RunConfig
from search.core.job import trial_seed
from spaces import read
from spaces.params import Choice, Param, Value

YAML_WORDS = ("true", "false", "null", "nan", "inf")  # text that Hydra would read as another type


def retrain_command(config: RunConfig, number: int, params: Mapping[str, Any]) -> str:
    """The command that trains trial `number` again, alone and to the last rung.

    Its curve is identical if the trial was trained alone; lanes of a pack agree within the tolerance of
    packs. A space file is named by the path that it had when the run began.
    """
    space = config.space
    if space.file is None and space.name not in read.names():
        return python_call(config, number, params)
    shipped = read_space(space.name) if space.file is None else None
    overrides: dict[str, Any] = {"space": space.file or space.name}
    for prefix, values, defaults in (
        ("data.", space.options, shipped.options if shipped else None),
        ("", space.settings, shipped.settings if shipped else None),
    ):
        for key, value in values.items():
            # Defaults of the space file, and the content hash that `prepare` adds, need no override.
            differs = value != defaults.get(key, value) if defaults is not None else key != "content"
            if differs and value is not None:
                overrides["data" if f"{prefix}{key}" == "data.source" else f"{prefix}{key}"] = value
    overrides |= {"engine": config.engine} if config.engine != "ray" else {}
    overrides |= several(config)
    seed = trial_seed(config.seed, number, config.init_seed)
    overrides |= {"seed": config.seed, "init_seed": seed, "trials": 1, "lanes": 1}
    overrides |= {"epochs": config.epochs, "grace": config.epochs}
    overrides |= {f"param.{name}": fixed_at(space.params[name], value) for name, value in params.items()}
    words = [shlex.quote(f"{key}={hydra_value(value)}") for key, value in overrides.items()]
    return " ".join(["python -m search run", *words])


def python_call(config: RunConfig, number: int, params: Mapping[str, Any]) -> str:
    """The same for a space that a Python program made: the call of `search.run`."""
    space, names = config.space, [config.space.trainable, config.space.data]
    objects = ", ".join(name.rpartition(":")[2] for name in names if name)
    arguments = {
        "params": {name: fixed_at(space.params[name], value) for name, value in params.items()},
        "objective": space.objective.metric,
        "mode": space.objective.mode,
        **{name: dict(value) for name in ("settings", "trainer") if (value := getattr(space, name))},
        "seed": config.seed,
        "init_seed": trial_seed(config.seed, number, config.init_seed),
        **{"trials": 1, "lanes": 1, "epochs": config.epochs, "grace": config.epochs},
        **several(config),
    }
    return f"search.run({objects}, {', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def several(config: RunConfig) -> dict[str, Any]:
    """The key for trials on several devices, if they are."""
    count = config.devices_per_trial
    return {"devices_per_trial": count} if count > 1 else {}


def fixed_at(param: Param, value: Value) -> Any:
    """The override that fixes a parameter: its value, or a list of one option if that is a list or mapping.

    A name is known from the space file.
    """
    if isinstance(param, Choice) and not param.named and value in param.values:
        return [param.values[value]]
    return value


read_space = cache(read.read)  # once for all trials


def hydra_value(value: Any) -> str:
    """A value of YAML in Hydra's override grammar; ambiguous text is quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{','.join(map(hydra_value, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{hydra_value(entry)}' for key, entry in value.items())}}}"
    if re.fullmatch(r"[A-Za-z_/][\w./-]*", value) and value.lower() not in YAML_WORDS:
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
