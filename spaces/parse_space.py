"""Parses a space from the plain content of its YAML file, or of a run's config.yaml."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from results.labels import label
from spaces.constraints import parse_rules
from spaces.messages import did_you_mean
from spaces.metrics import measured_names
from spaces.params import Choice, Param, Value
from spaces.parse_param import check_plain, parse_param
from spaces.project import KINDS, Project, parse_project
from spaces.space import Constraint, Objective, Space
from spaces.validation import validate

FIELDS = (
    "about",
    "trainable",
    "data",
    "lightning",
    "hydra",
    "objective",
    "constraint",
    "params",
    "constraints",
    "structure",
    "options",
    "settings",
    "trainer",
    "trust_checkpoints",
    "pick",
    "prepare",
    "budgets",
    "seeds",
    "predictor",
    "gallery",
)
REQUIRED = ("objective", "params")
SOURCES = ("trainable", *KINDS)  # of the module: one of them


def parse_space(
    plain: Mapping[str, Any], name: str, file: str, lines: Mapping[tuple[str, ...], int]
) -> Space:
    """The space in `plain`. `lines` holds the line of each field in `file`, for error messages.

    Raises ValueError for an unknown or missing field, a value of the wrong type or form, two objectives or
    constraints of one metric, a parameter that `parse_param` refuses, an unknown parameter in
    `structure` or `seeds`, or a rule that `parse_rules` refuses or that can't be kept.
    """

    def at(*path: object) -> str:
        keys = tuple(map(str, path))  # a mistaken key may be a number
        line = lines.get(keys)
        return f"{file}:{line}: {'.'.join(keys)}" if line else f"{file}: {'.'.join(keys)}"

    for key in plain:
        if key not in FIELDS:
            raise ValueError(f"{at(key)} is no field of a space{did_you_mean(str(key), FIELDS)}")
    for key in REQUIRED:
        if key not in plain:
            raise ValueError(
                f"{file}: the field {key!r} is missing; a space has {', '.join(REQUIRED)}, and one of "
                f"{', '.join(SOURCES)}"
            )
    project = parse_source(plain, file, at)
    if not isinstance(plain["params"], dict) or not plain["params"]:
        raise ValueError(f"{at('params')} is {plain['params']!r}, but must hold at least one parameter")
    params: dict[str, Param] = {}
    for key, value in plain["params"].items():
        params[key] = parse_param(value, at("params", key), params)
    if project:
        for key in params:
            project.check_path(key, at("params", key))
    seeds = tuple(parse_seeds(plain.get("seeds", []), params, at("seeds")))
    if project and not seeds:
        seeds = (own_values(project, params),)
    objectives = parse_ranking(plain["objective"], Objective, "objective", at)
    if not objectives:
        raise ValueError(f"{at('objective')} is {plain['objective']!r}, but must name a metric and its mode")
    values = {
        **{"about": "", "data": None, **plain, "name": name, "params": params, "seeds": seeds},
        "objective": objectives[0],
        "further_objectives": objectives[1:],
        "constraints": parse_ranking(plain.get("constraint", []), Constraint, "constraint", at),
        "rules": parse_rules(plain.get("constraints", []), params, at),
    }
    if project:
        values |= {"trainable": project.trainable, "data": project.data_class, "project": project}
    for key in ("constraint", *KINDS):
        values.pop(key, None)
    space: Space = validate(Space, values, at)
    for entry in space.structure:
        if entry not in params:
            raise ValueError(f"{at('structure')}: {entry!r} is no parameter{did_you_mean(entry, params)}")
    space.check_rules(at("constraints"))
    return space


def parse_source(plain: Mapping[str, Any], file: str, at: Callable[..., str]) -> Project | None:
    """The project whose configuration a space names; None if it names a module.

    Raises ValueError if it names neither or both, or the project is mistaken.
    """
    given = [key for key in SOURCES if key in plain]
    if len(given) != 1:
        named = f"{' and '.join(given)} are both given" if given else "none is given"
        raise ValueError(f"{file}: a space has one of {', '.join(SOURCES)}, but {named}")
    (source,) = given
    if source == "trainable":
        return None
    for key in ("data", "options", "settings"):
        if plain.get(key):
            raise ValueError(
                f"{at(key)} is {plain[key]!r}, but {source} is given, whose configuration says it; a value "
                "to be changed there is a parameter with one value (params in the space file)"
            )
    return parse_project(source, plain[source], at(source))  # type: ignore[arg-type]  # one of KINDS


def own_values(project: Project, params: Mapping[str, Param]) -> dict[str, Value]:
    """The values that the configuration has for the parameters, as far as they are in range."""
    values = {}
    for name, param in params.items():
        place = project.value(name)
        of_label = param.values if isinstance(param, Choice) else {}
        labels = [label for label, value in of_label.items() if value == place]
        if labels:
            values[name] = labels[0]
        elif not isinstance(place, Mapping | list) and place in param:
            values[name] = place
    return values


def parse_ranking(
    plain: Any, kind: type[Objective | Constraint], field: str, at: Callable[..., str]
) -> tuple[Any, ...]:
    """The objectives or the constraints of a space, from one mapping or a list of them.

    Raises ValueError if one breaks a rule of its `kind`, constrains nothing, or names the metric of another.
    """
    entries = list(enumerate(plain)) if isinstance(plain, list) else [(None, plain)]
    parts: list[Any] = []
    for index, entry in entries:
        where = (field,) if index is None else (field, index)
        if kind is Constraint and isinstance(entry, str):
            raise ValueError(f"{at(*where)} is {entry!r}: a rule on parameters is in the field constraints")
        part = validate(kind, entry, lambda *path, where=where: at(*where, *path))
        if isinstance(part, Constraint) and part.min is None and part.max is None:
            raise ValueError(f"{at(*where)} bounds {part.metric} nowhere; add max: or min:")
        try:
            measured_names([part.metric])
        except ValueError as error:
            raise ValueError(f"{at(*where)}: {error}") from error
        if part.metric in [other.metric for other in parts]:
            raise ValueError(f"{at(*where)} names {part.metric} a second time; one {field} for each metric")
        parts.append(part)
    return tuple(parts)


def parse_seeds(plain: Any, params: Mapping[str, Param], where: str) -> Iterator[dict[str, Value]]:
    """The known good configurations of a space, each complete or partial.

    Raises ValueError if `plain` is no list of mappings, a parameter is unknown, or a value lies outside.
    """
    if not isinstance(plain, list) or not all(isinstance(seed, dict) for seed in plain):
        raise ValueError(f"{where} is {plain!r}, but must be a list of points such as {{lr: 1e-3}}")
    for seed in plain:
        for name, value in seed.items():
            if name not in params:
                raise ValueError(f"{where}: {name!r} is no parameter{did_you_mean(str(name), params)}")
            check_plain(value, f"{where}: {name}")
            if label(value) not in params[name]:
                raise ValueError(f"{where}: {name} is {value!r}, which is not in {params[name].domain}")
        yield {name: label(value) for name, value in seed.items()}
