"""A space: what to train, its parameters, and the objective. `read.py` makes one from a YAML file."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from spaces.messages import did_you_mean
from spaces.params import Param, Value, initial_value, is_active, restrict_default
from spaces.parse_param import parse_param
from spaces.validation import Number, Rule

ImportPath = Annotated[str, Field(pattern=r"^[\w.]+:\w+$"), Rule("look like package.module:Name")]
Fields = Annotated[Mapping[str, Any], Rule("hold fields of its own")]
Budgets = Annotated[Mapping[str, Mapping[str, Any]], Rule("hold fields for each budget")]
Pick = Annotated[Literal["last", "best"], Rule("be last or best")]
ParamName = Annotated[str, Rule("be text")]


@dataclass(frozen=True)
class Objective:
    """The validation metric that ranks trials, and whether it is minimized (`min`) or maximized (`max`)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    metric: Annotated[str, Rule("be the name of a metric")]
    mode: Annotated[Literal["min", "max"], Rule("be min or max")]

    @property
    def sign(self) -> int:
        """1 for `min`, -1 for `max`: the factor that turns the metric into a quantity to minimize."""
        return 1 if self.mode == "min" else -1


@dataclass(frozen=True)
class Constraint:
    """The bounds of a metric. A trial outside them ranks behind all trials that keep them."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    metric: Annotated[str, Rule("be the name of a metric")]
    min: Number | None = None
    max: Number | None = None

    def violation(self, value: float) -> float:
        """How far `value` lies outside the bounds, relative to the bound that it breaks; 0 if inside."""
        over = 0.0 if self.max is None else (value - self.max) / (abs(self.max) or 1.0)
        under = 0.0 if self.min is None else (self.min - value) / (abs(self.min) or 1.0)
        return max(over, under, 0.0)


@dataclass(frozen=True)
class Space:
    """A space. The fields that a file has are those of `parse_space.FIELDS`."""

    name: str
    about: Annotated[str, Rule("be text")]
    trainable: ImportPath  # the LightningModule or Learner
    data: ImportPath  # the LightningDataModule
    objective: Objective  # the first, by which a single best trial is named
    params: Mapping[ParamName, Param]
    further_objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    structure: Annotated[tuple[str, ...], Rule("be a list of parameters")] = ()  # they change tensor shapes
    options: Fields = field(default_factory=dict)  # of the data: source, root ...
    settings: Fields = field(default_factory=dict)  # arguments that are not searched: backbone ...
    prepare: ImportPath | None = None  # a function that checks the data before anything is written
    trainer: Fields = field(default_factory=dict)  # of Lightning's Trainer: gradient_clip_val ...
    pick: Annotated[Literal["last", "best"], Rule("be last or best")] = (
        "best"  # the epoch whose weights a confirmation scores and keeps
    )
    budgets: Budgets = field(default_factory=dict)
    gallery: ImportPath | None = None  # a function that makes pictures of the best model for the report
    predictor: ImportPath | None = None  # the Predictor
    seeds: tuple[Mapping[str, Value], ...] = ()  # known good configurations; the first is the default
    file: str | None = None  # path of the space file as the user gave it; None for a space of Ladder's

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """All objectives."""
        return (self.objective, *self.further_objectives)

    @property
    def ranking_metrics(self) -> tuple[str, ...]:
        """The metrics of the objectives and of the constraints, by which trials are ranked; none twice."""
        objectives = [objective.metric for objective in self.objectives]
        return tuple(dict.fromkeys([*objectives, *(constraint.metric for constraint in self.constraints)]))

    @property
    def ranks_by_value(self) -> bool:
        """Whether the values of one objective rank trials, without constraints."""
        return not (self.further_objectives or self.constraints)

    def default(self) -> dict[str, Value]:
        """The default configuration, which a search should beat: the first of the `seeds`, completed."""
        return self.point(self.seeds[0] if self.seeds else {})

    def point(self, partial: Mapping[str, Value]) -> dict[str, Value]:
        """A partial configuration, completed: parameters that it lacks, or whose range excludes its value,
        take their initial value."""
        return self.configuration(
            lambda name, param, values: (
                partial[name] if name in partial and partial[name] in param else initial_value(param, values)
            )
        )

    def sample(self, rng: random.Random) -> dict[str, Value]:
        """A random configuration; parameters are drawn independently."""
        return self.configuration(lambda name, param, values: param.sample(rng))

    def configuration(self, choose: Callable[[str, Param, Mapping[str, Value]], Value]) -> dict[str, Value]:
        """The configuration in which each active parameter has the value `choose(name, param, values)`;
        `values` are those of the active parameters before it."""
        values: dict[str, Value] = {}
        for name, param in self.params.items():
            if is_active(param, values):
                values[name] = choose(name, param, values)
        return values

    def params_in(self, row: Mapping[str, Any]) -> dict[str, Value]:
        """The configuration in a row of a run's table, where inactive parameters are null."""
        return self.configuration(lambda name, param, values: param.from_column(row[f"param/{name}"]))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether `values` is a configuration of this space: exactly the active parameters, each in range."""
        own = self.configuration(lambda name, param, _: values.get(name, param.fallback))
        return own.keys() == values.keys() and all(value in self.params[name] for name, value in own.items())

    def with_params(self, changes: Mapping[str, Any]) -> "Space":
        """The space with parameters replaced, {"lr": 0.1}, or changed in one field, {"lr.high": 0.1}.

        A changed parameter keeps its condition and the part of its default that is still in range, unless
        they are changed themselves. Raises ValueError for an unknown parameter, a field of a parameter that
        has none, or a value that `parse_param` refuses.
        """
        plain = {name: param.plain() for name, param in self.params.items()}
        for key, value in changes.items():
            name, _, part = key.partition(".")
            where = f"param.{key}={value}"
            if name not in plain:
                raise ValueError(f"{where}: there is no parameter {name!r}{did_you_mean(name, plain)}")
            if not part:
                plain[name] = value
            elif isinstance(plain[name], dict):
                plain[name] = {**plain[name], part: value}
            else:
                raise ValueError(f"{where}: {name} has no {part!r}; it is {plain[name]} (param.{name}=...)")
        params = dict(self.params)
        for name in dict.fromkeys(key.partition(".")[0] for key in changes):
            params[name] = self._changed(name, plain[name], changes)
        return replace(self, params=params)

    def _changed(self, name: str, plain: Any, changes: Mapping[str, Any]) -> Param:
        """Parameter `name`, parsed anew from `plain`."""
        before = self.params[name]
        keep_default = f"{name}.default" not in changes
        if keep_default and isinstance(plain, dict):
            plain = {key: part for key, part in plain.items() if key != "default"}
        param = parse_param(plain, f"param.{name}", self.params)
        if f"{name}.when" not in changes:
            param = replace(param, when=before.when)
        return replace(param, default=restrict_default(before.default, param)) if keep_default else param
