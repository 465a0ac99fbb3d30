"""The configuration of a run: `config.yaml`, then the budget, then the command line's overrides.

Overrides are read by Hydra's own parser, so quotes, lists and numbers mean what Hydra's users expect. They
are laid over one flat set of keys here, not by `hydra.compose`: see docs/decisions/0002-configuration.md.
"""

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from search.config.fidelity import checked
from search.core.rungs import milestones
from spaces import read as spaces
from spaces.params import nearest
from spaces.space import Space

ENGINES = ("ray", "local")
SAMPLERS = ("tpe", "random")
LOGGERS = {"none": "", "csv": "", "tensorboard": "tensorboard", "mlflow": "mlflow-skinny", "wandb": "wandb"}
FILE = Path(__file__).parent / "config.yaml"
WHERE = "search/config/config.yaml or"


@dataclass(frozen=True)
class RunConfig:
    """Everything a run is made from."""

    name: str | None
    storage: str
    seed: int
    init_seed: int | None
    engine: str
    sampler: str
    warm_start: str | None
    budget: str
    trials: int
    epochs: int
    grace: int
    eta: int
    fidelity: tuple[str, ...]
    lanes: int | str
    cpus_per_job: float
    gpus_per_job: float | str
    confirm_top: int
    confirm_seeds: int
    logger: str
    space: Space

    @property
    def rungs(self) -> tuple[int, ...]:
        """The rungs, in epochs."""
        return milestones(self.grace, self.eta, self.epochs)

    def plain(self) -> dict[str, Any]:
        """As it stands in a run's config.yaml; `from_plain` reads it back."""
        space = self.space
        flat = {key: getattr(self, key) for key in self.__dataclass_fields__ if key != "space"}
        return {"space": space.name, "space_file": space.file, **flat} | {
            "about": space.about,
            "trainable": space.trainable,
            "data": space.data,
            "prepare": space.prepare,
            "predictor": space.predictor,
            "gallery": space.gallery,
            "objective": asdict(space.objective),
            "options": dict(space.options),
            "settings": dict(space.settings),
            "trainer": dict(space.trainer),
            "structure": list(space.structure),
            "params": {name: param.plain() for name, param in space.params.items()},
            "seeds": [space.point(seed) for seed in space.seeds],
        }


def from_plain(plain: Mapping[str, Any], file: str) -> RunConfig:
    """A RunConfig from the content of a run's config.yaml. Raises ValueError."""
    # A run from before there was a key has its default.
    theirs = None if plain["space"] in spaces.names() else f"{plain['space']}.yaml"
    space_keys = {key: plain[key] for key in spaces.FIELDS if plain.get(key) is not None}
    space = replace(spaces.parse(space_keys, plain["space"], file, {}), file=plain.get("space_file", theirs))
    known = {key.replace(".", "_"): value for key, value in yaml.safe_load(FILE.read_text()).items()}
    known |= plain
    keys = {key: known[key] for key in RunConfig.__dataclass_fields__ if key != "space"}
    return RunConfig(**{**keys, "fidelity": tuple(keys["fidelity"])}, space=space)


def resolve(overrides: Sequence[str]) -> RunConfig:
    """The configuration that the overrides ask for. Raises ValueError with one line: value, rule, where."""
    given = parse_overrides(overrides)
    defaults = yaml.safe_load(FILE.read_text())
    budgets = defaults.pop("budgets")
    space = spaces.read(str(given.get("space", defaults["space"])))
    check_keys(given, [*defaults], space)

    budget = one_of("budget", given.get("budget", defaults["budget"]), tuple(budgets))
    sizes = {**budgets[budget], **space.budgets.get(budget, {})}
    run = {**defaults, **{key: value for key, value in sizes.items() if key in defaults}}
    run |= {key: value for key, value in given.items() if key in defaults}
    for key in ("trials", "epochs", "grace", "eta"):
        run[key] = whole_number(key, run[key], low=2 if key == "eta" else 1)
    if "grace" not in given:
        run["grace"] = min(run["grace"], run["epochs"])
    milestones(run["grace"], run["eta"], run["epochs"])

    options = {**space.options, **{key: value for key, value in sizes.items() if key in space.options}}
    options |= {key.partition(".")[2]: value for key, value in given.items() if key.startswith("data.")}
    if "data" in given:
        options["source"] = given["data"]
    settings = {**space.settings, **{key: given[key] for key in space.settings if key in given}}
    check_types("data.", space.options, options)
    check_types("", space.settings, settings)
    params = {key.partition(".")[2]: value for key, value in given.items() if key.startswith("param.")}

    return RunConfig(
        name=run_name(run["name"]),
        storage=str(run["storage"]),
        seed=whole_number("seed", run["seed"], low=0),
        init_seed=None if run["init_seed"] is None else whole_number("init_seed", run["init_seed"], low=0),
        engine=one_of("engine", run["engine"], ENGINES),
        warm_start=None if run["warm_start"] is None else str(run["warm_start"]),
        sampler=one_of("sampler", run["sampler"], SAMPLERS),
        budget=budget,
        trials=run["trials"],
        epochs=run["epochs"],
        grace=run["grace"],
        eta=run["eta"],
        fidelity=checked(run["fidelity"], options),
        lanes=run["lanes"] if run["lanes"] == "auto" else whole_number("lanes", run["lanes"], low=1),
        cpus_per_job=amount("cpus_per_job", run["cpus_per_job"]),
        gpus_per_job=run["gpus_per_job"]
        if run["gpus_per_job"] == "auto"
        else amount("gpus_per_job", run["gpus_per_job"]),
        confirm_top=whole_number("confirm.top", run["confirm.top"], low=0),
        confirm_seeds=whole_number("confirm.seeds", run["confirm.seeds"], low=1),
        logger=one_of("logger", run["logger"], tuple(LOGGERS)),
        space=replace(space.with_params(params), options=options, settings=settings),
    )


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Key and value of each override, in Hydra's grammar. Raises ValueError."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    given: dict[str, Any] = {}
    for text in overrides:
        try:
            override = parser.parse_override(text)
        except HydraException as error:
            hint = "key=value, with quotes around text that has spaces or commas"
            raise ValueError(f"{text!r} is no override: write {hint}") from error
        if override.is_add() or override.is_delete() or override.is_sweep_override():
            raise ValueError(f"{text!r}: write key=value; a list of choices is key=[a,b]")
        given[override.key_or_group] = override.value()
    return given


def check_keys(given: Mapping[str, Any], keys: Sequence[str], space: Space) -> None:
    """Raises ValueError for a key that neither the run nor the space has."""
    known = [*keys, "data", *space.settings, *(f"data.{name}" for name in space.options)]
    known += [f"param.{name}" for name in space.params]
    for key in given:
        parameter = key.removeprefix("param.").partition(".")[0]
        if key not in known and not (key.startswith("param.") and parameter in space.params):
            raise ValueError(
                f"there is no key {key!r} in space {space.name}{nearest(key, known)} ({key}=...)"
            )


def check_types(prefix: str, defaults: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raises ValueError for a value of another type than the space's default; null takes anything."""
    for key, value in values.items():
        default = defaults.get(key)
        if default is None or type(value) is type(default):
            continue
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            continue
        kind = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        rule = kind.get(type(default), f"a {type(default).__name__}")
        raise ValueError(f"{prefix}{key} is {value!r}, but must be {rule} ({prefix}{key}={default})")


def whole_number(key: str, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"{key} is {value!r}, but must be a whole number >= {low} ({WHERE} {key}=...)")
    return value


def amount(key: str, value: Any) -> float:
    low = "> 0" if key == "cpus_per_job" else ">= 0"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (value > 0 or (value == 0 and low == ">= 0")) or value == float("inf"):
        raise ValueError(f"{key} is {value!r}, but must be a number {low} ({WHERE} {key}=...)")
    return value


def check_logger(kind: str) -> None:
    """Raises ValueError if the package that a logger needs is not installed."""
    package = LOGGERS[kind]
    if package and importlib.util.find_spec(kind) is None:
        raise ValueError(f"logger is {kind!r}, but {package} is not installed: pip install {package}")


def one_of(key: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{key} is {value!r}{nearest(str(value), known)} ({WHERE} {key}=...)")
    return value


def run_name(name: Any) -> str | None:
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", str(name)):
        raise ValueError(f"name is {name!r}, but must be letters, digits, '_', '-' and '.' (name=...)")
    return None if name is None else str(name)
