"""A space: what to train, what to vary, and what ranks it. `read.py` makes one from its YAML file."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from spaces.params import Param, Value, is_active, fitting, nearest, start
from spaces.parse import parse_param


@dataclass(frozen=True)
class Objective:
    """The validation metric that ranks trials, and whether less (`min`) or more (`max`) of it is better."""

    metric: str
    mode: str

    @property
    def sign(self) -> int:
        """What the metric is multiplied by so that less is better."""
        return 1 if self.mode == "min" else -1


@dataclass(frozen=True)
class Space:
    """A space, read and valid."""

    name: str
    about: str
    trainable: str  # package.module:Class
    data: str  # package.module:Class
    objective: Objective
    params: Mapping[str, Param]
    structure: tuple[str, ...] = ()  # the parameters that change tensor shapes or the batch
    options: Mapping[str, Any] = field(default_factory=dict)  # of the data: source, root ...
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the run, not searched: backbone ...
    prepare: str | None = None  # package.module:function that checks the data before anything is written
    trainer: Mapping[str, Any] = field(default_factory=dict)  # of Lightning's Trainer: gradient_clip_val ...
    budgets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gallery: str | None = None  # package.module:function that shows the best model in the report
    predictor: str | None = None  # package.module:Class of the Predictor
    seeds: tuple[Mapping[str, Value], ...] = ()  # known good points; the first is the default configuration
    file: str | None = None  # the path that it was asked for by; None of those that Ladder brings

    def default(self) -> dict[str, Value]:
        """The configuration to beat: the first of the seeds; what it leaves open is in the middle."""
        return self.point(self.seeds[0] if self.seeds else {})

    def point(self, seed: Mapping[str, Value]) -> dict[str, Value]:
        """A seed as a configuration: a parameter it leaves open, or whose range no longer holds it, is at its
        default or in the middle."""
        return self.configuration(
            lambda name, param, values: (
                seed[name] if name in seed and seed[name] in param else start(param, values)
            )
        )

    def sample(self, rng: random.Random) -> dict[str, Value]:
        """A configuration drawn at random, each parameter by itself."""
        return self.configuration(lambda name, param, values: param.sample(rng))

    def configuration(self, choose: Callable[[str, Param, Mapping[str, Value]], Value]) -> dict[str, Value]:
        """A configuration in which `choose(name, param, values so far)` gives each parameter that counts."""
        values: dict[str, Value] = {}
        for name, param in self.params.items():
            if is_active(param, values):
                values[name] = choose(name, param, values)
        return values

    def params_in(self, row: Mapping[str, Any]) -> dict[str, Value]:
        """The configuration in a row of a run's table, where a parameter that does not count is null."""
        return self.configuration(lambda name, param, values: param.from_column(row[f"param/{name}"]))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether these are a configuration of the space: all that count, each within its range."""
        own = self.configuration(lambda name, param, _: values.get(name, param.middle))
        return own.keys() == values.keys() and all(value in self.params[name] for name, value in own.items())

    def with_params(self, changes: Mapping[str, Any]) -> "Space":
        """The space with parameters fixed or changed: {"lr": 0.1} or {"lr.high": 0.1}.

        Raises ValueError for an unknown parameter or a value that makes no sense.
        """
        plain = {name: param.plain() for name, param in self.params.items()}
        for key, value in changes.items():
            name, _, part = key.partition(".")
            where = f"param.{key}={value}"
            if name not in plain:
                raise ValueError(f"{where}: there is no parameter {name!r}{nearest(name, plain)}")
            if not part:
                plain[name] = value
            elif isinstance(plain[name], dict):
                plain[name] = {**plain[name], part: value}
            else:
                raise ValueError(f"{where}: {name} has no {part!r}; it is {plain[name]} (param.{name}=...)")
        changed = {key.partition(".")[0] for key in changes}
        params: dict[str, Param] = {}
        for name, value in plain.items():
            params[name] = param = self.params[name]
            if name in changed:
                keep = f"{name}.default" not in changes
                if keep and isinstance(value, dict):
                    value = {key: part for key, part in value.items() if key != "default"}
                new = parse_param(value, f"param.{name}", self.params)
                new = new if f"{name}.when" in changes else replace(new, when=param.when)
                params[name] = replace(new, default=fitting(param.default, new)) if keep else new
        return replace(self, params=params)
