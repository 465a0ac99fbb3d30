"""A space: what to train, its parameters, and the objective. `read.py` makes one from a YAML file."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from spaces.constraints import ParameterRule, check_some_keep
from spaces.messages import did_you_mean
from spaces.params import Choice, Param, Value, initial_value, is_active, restrict_default
from spaces.parse_param import chosen, parse_param
from spaces.project import Project
from spaces.validation import Bool, Number, Rule

ImportPath = Annotated[str, Field(pattern=r"^[\w.]+:\w+$"), Rule("look like package.module:Name")]
Fields = Annotated[Mapping[str, Any], Rule("hold fields of its own")]
Budgets = Annotated[Mapping[str, Mapping[str, Any]], Rule("hold fields for each budget")]
MAX_PROPOSALS = 10  # of a sampler, until one keeps the rules
MAX_DRAWS = 100_000  # of a random configuration, until one keeps the rules
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
    data: ImportPath | None  # the LightningDataModule; None: the module has loaders of its own
    objective: Objective  # the first, by which a single best trial is named
    params: Mapping[ParamName, Param]
    project: Project | None = None  # its configuration builds module and data; parameters are paths into it
    further_objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()  # bounds of metrics
    rules: tuple[ParameterRule, ...] = ()  # on parameters: the field `constraints` of a space file
    structure: Annotated[tuple[str, ...], Rule("be a list of parameters")] = ()  # they change tensor shapes
    options: Fields = field(default_factory=dict)  # of the data: source, root ...
    settings: Fields = field(default_factory=dict)  # arguments that are not searched: backbone ...
    trust_checkpoints: Bool = False  # whether they may hold pickled objects
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

    @property
    def option_values(self) -> dict[str, Mapping[Value, Any]]:
        """For each choice with such options, the values that its labels stand for."""
        choices = {name: param.values for name, param in self.params.items() if isinstance(param, Choice)}
        return {name: values for name, values in choices.items() if values}

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

    def broken_rule(self, values: Mapping[str, Value]) -> str | None:
        """The first rule that a configuration breaks; None if it keeps all."""
        return next((rule.text for rule in self.rules if not rule.holds(values)), None)

    def sample(self, rng: random.Random) -> dict[str, Value]:
        """A random configuration; parameters are drawn independently until it keeps the rules.

        Raises ValueError if none of MAX_DRAWS does.
        """
        for _ in range(MAX_DRAWS):
            values = self._draw(rng)
            if self.broken_rule(values) is None:
                return values
        raise ValueError(
            f"none of {MAX_DRAWS:,} random configurations keeps the constraints; choose ranges that keep "
            "them more often (params and constraints in the space file)"
        )

    def kept(self, propose: Callable[[], dict[str, Value]], seed: int) -> dict[str, Value]:
        """The first of MAX_PROPOSALS proposals that keeps the rules; if none does, a random configuration.

        Raises ValueError as `sample` does.
        """
        proposals = (propose() for _ in range(MAX_PROPOSALS))
        first = next((values for values in proposals if self.broken_rule(values) is None), None)
        return self.sample(random.Random(seed)) if first is None else first

    def _draw(self, rng: random.Random) -> dict[str, Value]:
        """A random configuration, which may break a rule."""
        return self.configuration(lambda name, param, values: param.sample(rng))

    def check_rules(self, where: str) -> None:
        """Raises ValueError, beginning with `where`, if no configuration keeps the rules, or the default or a
        seed breaks one."""
        if not self.rules:
            return
        check_some_keep(self.rules, self._draw, where)
        for point in map(self.point, self.seeds or ({},)):
            if text := self.broken_rule(point):
                names = [name for rule in self.rules if rule.text == text for name in sorted(rule.names)]
                values = ", ".join(f"{name}={point[name]}" for name in names)
                kind = "an entry of seeds" if self.seeds else "the default configuration"
                raise ValueError(
                    f"{where}: {kind} breaks {text!r} ({values}); change it (seeds in the space file, or "
                    f"param.{names[0]}.default=VALUE)"
                )

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
        """Whether `values` is a configuration of this space: exactly the active parameters, each in range,
        and no rule is broken."""
        own = self.configuration(lambda name, param, _: values.get(name, param.fallback))
        inside = own.keys() == values.keys() and all(v in self.params[name] for name, v in own.items())
        return inside and self.broken_rule(own) is None

    def with_params(self, changes: Mapping[str, Any]) -> "Space":
        """The space with parameters replaced, {"lr": 0.1}, or changed in one field, {"lr.high": 0.1}.

        A changed parameter keeps its condition and the part of its default that is still in range, unless
        they are changed themselves. Seeds that break a rule after the changes are left out. Raises ValueError
        for an unknown parameter, a field of a parameter that has none, a value that `parse_param` refuses, or
        rules that can't be kept.
        """
        plain = {name: param.plain() for name, param in self.params.items()}
        for key, value in changes.items():
            name, part = self.split_key(key)
            where = f"param.{key}={value}"
            if name not in plain:
                raise ValueError(f"{where}: there is no parameter {name!r}{did_you_mean(name, plain)}")
            if part in ("", "choices") and not isinstance(value, dict):
                value = chosen(value, self.params[name], where)
                value = {"choices": value} if isinstance(value, dict) and not part else value
            if not part:
                plain[name] = value
            elif isinstance(plain[name], dict):
                plain[name] = {**plain[name], part: value}
            else:
                raise ValueError(f"{where}: {name} has no {part!r}; it is {plain[name]} (param.{name}=...)")
        params = dict(self.params)
        for name in dict.fromkeys(self.split_key(key)[0] for key in changes):
            params[name] = self._changed(name, plain[name], changes)
        changed = replace(self, params=params)
        if self.rules and changes:
            kept = [seed for seed in self.seeds if not changed.broken_rule(changed.point(seed))]
            changed = replace(changed, seeds=tuple(kept))
            changed.check_rules(", ".join(f"param.{key}={value}" for key, value in changes.items()))
        return changed

    def split_key(self, key: str) -> tuple[str, str]:
        """The parameter in a key such as `lr.high`, and the field, or ""; parameters may have dots too."""
        above = [name for name in self.params if key == name or key.startswith(f"{name}.")]
        name = max(above, key=len, default=key.partition(".")[0])
        return name, key[len(name) + 1 :]

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
