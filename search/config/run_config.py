"""The configuration of a run: `config.yaml`, then the budget, then the overrides of the command line."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ByteSize, Field, StrictBool, StrictFloat, StrictInt

from results.safe_yaml import read_fields
from search.config import earlier
from search.config.duration import seconds
from search.config.few_trials import for_few_trials
from search.config.fidelity import parse_fidelity, rung_options
from search.config.overrides import check_keys, check_types, parse_overrides
from search.core.rungs import UNLIMITED, extended, milestones, reaching
from spaces.messages import did_you_mean
from spaces.parse_space import FIELDS, parse_space
from spaces.read import names, read
from spaces.size import configurations
from spaces.space import Space
from spaces.validation import NonNegativeInt, PositiveInt, Rule, validate

ENGINES = ("ray", "local")
LOGGERS = {"none": "", "csv": "", "tensorboard": "tensorboard", "mlflow": "mlflow-skinny", "wandb": "wandb"}
CONFIG_FILE = Path(__file__).parent / "config.yaml"
CHANGE = "search/config/config.yaml or {}=..."  # where to change a key
DETERMINISTIC_LANES = 4  # trials of a job where `lanes=auto` may not depend on the machine
LADDER = {"grace", "eta"}  # keys that fix the rungs
FORMAT: Final = 2  # of a run's folder. In format 1, seeds and splits were drawn with Python's hash().

Text = Annotated[str, BeforeValidator(str)]
Name = Annotated[
    Text,
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"),
    Rule("be letters, digits, '_', '-' and '.', and not begin with '-' or '.'"),
]
Address = Annotated[
    Text,
    Field(pattern=r"^(auto|[^\s:/\[\]]+:[0-9]+|\[[0-9a-fA-F:]+\]:[0-9]+)$"),
    Rule("be auto or HOST:PORT; for ray:// use `ray job submit`, or a machine of the cluster"),
]
Amount = StrictInt | StrictFloat
Seconds = Annotated[
    float,
    BeforeValidator(seconds),
    Field(gt=0, allow_inf_nan=False),
    Rule("be a number of seconds > 0, or such as 90s, 30m, 2h or 1h30m"),
]
Eta = Annotated[int, Field(strict=True, ge=2), Rule("be a whole number >= 2")]


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run. The comments in `config.yaml` describe the keys."""

    name: Name | None
    storage: Text
    seed: NonNegativeInt
    init_seed: NonNegativeInt | None
    engine: str
    cluster: Address | None
    sampler: str
    warm_start: Text | None
    budget: str
    trials: PositiveInt
    epochs: PositiveInt
    grace: PositiveInt
    eta: Eta
    fidelity: tuple[str, ...]
    lanes: Annotated[PositiveInt | Literal["auto"], Rule("be a whole number >= 1, or auto")]
    cpus_per_job: Annotated[Amount, Field(gt=0, allow_inf_nan=False), Rule("be a number > 0")]
    gpus_per_job: Annotated[
        Annotated[Amount, Field(ge=0, allow_inf_nan=False)] | Literal["auto"],
        Rule("be a number >= 0, or auto"),
    ]
    devices_per_trial: PositiveInt
    disk: Annotated[ByteSize | None, Rule("be a size, such as 20GB")]
    deterministic: Annotated[StrictBool, Rule("be true or false")]
    job_timeout: Annotated[
        Annotated[Amount, Field(gt=0, allow_inf_nan=False)] | Literal["auto"],
        Rule("be a number of seconds > 0, or auto"),
    ]
    time: Seconds | None
    stop: Annotated[Literal["auto"] | None, Rule("be auto or null")]
    min_gain: Annotated[Amount, Field(gt=0, lt=1), Rule("be a number between 0 and 1")]
    confirm_top: NonNegativeInt
    confirm_seeds: PositiveInt
    logger: str
    space: Space
    format: Annotated[Literal[1, 2], Rule("be 1 or 2: a later version of Ladder wrote it")] = FORMAT
    grown_from: tuple[PositiveInt, ...] = ()  # `epochs` before each time that `resume` raised them
    notes: tuple[str, ...] = field(default=(), compare=False)  # on the overrides, for the user; not stored

    @property
    def pack(self) -> int | None:
        """Trials of a job; None: as many as outweigh its overhead, which depends on the machine."""
        if self.lanes != "auto":
            return int(self.lanes)
        if self.devices_per_trial > 1:
            return 1
        return DETERMINISTIC_LANES if self.deterministic else None

    @property
    def rungs(self) -> tuple[int, ...]:
        """The rungs, in epochs. Those that the run has had stay where they are when its epochs grow."""
        first, *later = (*self.grown_from, self.epochs)
        rungs = milestones(self.grace, self.eta, first)
        for epochs in later:
            rungs = extended(rungs, self.eta, epochs)
        return rungs

    @property
    def rung_options(self) -> tuple[Mapping[str, int], ...]:
        """The options of the data that differ between rungs, of each rung; full sizes at added rungs."""
        first = self.rungs[: self.rungs.index((*self.grown_from, self.epochs)[0]) + 1]
        options = rung_options(self.fidelity, first, self.space.options)
        return options + options[-1:] * (len(self.rungs) - len(first))

    def plain(self) -> dict[str, Any]:
        """The content of a run's config.yaml; `from_plain` reads it."""
        space = self.space
        keys = {key: getattr(self, key) for key in STORED_KEYS}
        grown = {"grown_from": list(self.grown_from)} if self.grown_from else {}
        return {"format": self.format, "space": space.name, "space_file": space.file, **keys, **grown} | {
            "about": space.about,
            **source(space),
            "prepare": space.prepare,
            "predictor": space.predictor,
            "gallery": space.gallery,
            **ranking(space),
            "options": dict(space.options),
            "settings": dict(space.settings),
            "trainer": dict(space.trainer),
            **({"trust_checkpoints": True} if space.trust_checkpoints else {}),
            "pick": space.pick,
            "structure": list(space.structure),
            "params": {name: param.plain() for name, param in space.params.items()},
            **({"constraints": [rule.text for rule in space.rules]} if space.rules else {}),
            "seeds": [space.point(seed) for seed in space.seeds],
        }


def source(space: Space) -> dict[str, Any]:
    """The fields of a space that say where module and data come from."""
    if space.project:
        return {space.project.kind: space.project.plain()}
    return {"trainable": space.trainable, "data": space.data}


def ranking(space: Space) -> dict[str, Any]:
    """The fields `objective` and `constraint` of a space as plain data; one objective is no list."""
    objectives = [asdict(objective) for objective in space.objectives]
    bounds = [{k: v for k, v in asdict(c).items() if v is not None} for c in space.constraints]
    return {"objective": objectives if len(objectives) > 1 else objectives[0]} | (
        {"constraint": bounds} if bounds else {}
    )


BESIDE = ("space", "format", "grown_from", "notes")  # fields of RunConfig that are no keys
STORED_KEYS = [key for key in RunConfig.__dataclass_fields__ if key not in BESIDE]


def from_plain(plain: Mapping[str, Any], file: str) -> RunConfig:
    """The RunConfig in a run's config.yaml, `file`, also in one of an earlier version of Ladder.

    A key that the file lacks has its default. Raises ValueError for a value that breaks its rule.
    """
    plain = earlier.upgrade(plain)
    if not isinstance(plain.get("space"), str):
        raise ValueError(f"{file} names no space ({plain.get('space')!r}); restore it from a copy")
    space = parse_space(
        {key: plain[key] for key in FIELDS if plain.get(key) is not None}, plain["space"], file, {}
    )
    space_file = None if space.name in names() else f"{space.name}.yaml"
    space = replace(space, file=plain.get("space_file", space_file))
    stored = {_field(key): value for key, value in defaults().items()} | plain
    values = {key: stored[key] for key in STORED_KEYS}
    values["fidelity"] = parse_fidelity(values["fidelity"], space.options)
    values |= {"format": plain.get("format", 1), "space": space}
    values["grown_from"] = plain.get("grown_from", ())
    config: RunConfig = validate(RunConfig, values, _key, f"{{}} in {file}")
    return config


def resolve(overrides: Sequence[str]) -> RunConfig:
    """The configuration for the overrides of a command line.

    Raises ValueError in one line (value, rule, where to change it) if an override is not in Hydra's grammar,
    neither the run nor the space has its key, or its value breaks a rule.
    """
    changes, notes = earlier.rename_keys(parse_overrides(overrides))
    space = read(str(changes.get("space", defaults()["space"])))
    config = configure(space, changes)
    return replace(config, notes=(*notes, *config.notes))


def configure(space: Space, changes: Mapping[str, Any]) -> RunConfig:
    """The configuration for a search of the space with these values of keys. Raises as `resolve` does."""
    from search.core.policies.registry import POLICIES  # here, because it imports Optuna

    keys = defaults()
    budgets = keys.pop("budgets")
    check_keys(changes, [*keys], space)
    budget = one_of("budget", changes.get("budget", keys["budget"]), budgets)
    sizes = {**budgets[budget], **space.budgets.get(budget, {})}
    space = _changed(space, sizes, changes)

    values = {key: changes.get(key, sizes.get(key, default)) for key, default in keys.items()}
    for key, known in (("engine", ENGINES), ("sampler", POLICIES), ("logger", LOGGERS)):
        one_of(key, values[key], known)
    values |= {"space": space, "fidelity": parse_fidelity(values["fidelity"], space.options)}
    values = {_field(key): value for key, value in values.items()}
    config: RunConfig = validate(RunConfig, values, _key, CHANGE)
    if "grace" not in changes:
        config = replace(config, grace=min(config.grace, config.epochs))
    milestones(config.grace, config.eta, config.epochs)
    _check_devices(config)
    notes: tuple[str, ...] = ()
    if config.time and "trials" not in changes:
        config = replace(config, trials=UNLIMITED)
    if (size := configurations(space)) < config.trials:
        config = replace(config, trials=int(size))
        notes += (f"the space has {config.trials} configurations, so there are {config.trials} trials",)
    # The sizes of a budget belong together.
    if (config.trials, config.epochs) != (sizes["trials"], sizes["epochs"]) and not changes.keys() & LADDER:
        config, more = _for_few_trials(config)
        notes += more
    return replace(config, notes=notes)


def _check_devices(config: RunConfig) -> None:
    """Raises ValueError if trials on several devices contradict the other keys of a job."""
    count, gpus = config.devices_per_trial, config.gpus_per_job
    if count > 1 and config.lanes not in ("auto", 1):
        raise ValueError(
            f"lanes is {config.lanes}, but a trial with devices_per_trial={count} trains alone "
            "(lanes=auto, or devices_per_trial=1)"
        )
    if count > 1 and gpus not in ("auto", 0, count):
        raise ValueError(
            f"gpus_per_job is {gpus}, but a job with devices_per_trial={count} has {count} whole GPUs "
            f"or none (gpus_per_job={count}, 0 or auto)"
        )


def _for_few_trials(config: RunConfig) -> tuple[RunConfig, tuple[str, ...]]:
    """The configuration with `grace` and `eta` for its number of trials, and a note if they change."""
    grace, eta = for_few_trials(config.trials, config.grace, config.eta, config.epochs)
    if (grace, eta) == (config.grace, config.eta):
        return config, ()
    changed = replace(config, grace=grace, eta=eta)
    before, now = (reaching(c.trials, c.rungs, c.eta) for c in (config, changed))
    return changed, (
        f"grace={grace} eta={eta}, not grace={config.grace} eta={config.eta}: so {now} of {config.trials} "
        f"trials reach epoch {config.epochs}, not {before} (grace=... or eta=... keeps the rungs as given)",
    )


def _changed(space: Space, sizes: Mapping[str, Any], changes: Mapping[str, Any]) -> Space:
    """The space with the data options of the budget's `sizes`, then with the changes of the command line."""
    options = {key: sizes.get(key, value) for key, value in space.options.items()}
    options |= {key.partition(".")[2]: value for key, value in changes.items() if key.startswith("data.")}
    if "data" in changes:
        options["source"] = changes["data"]
    settings = {key: changes.get(key, value) for key, value in space.settings.items()}
    check_types("data.", space.options, options)
    check_types("", space.settings, settings)
    params = {key.partition(".")[2]: value for key, value in changes.items() if key.startswith("param.")}
    return replace(space.with_params(params), options=options, settings=settings)


def defaults() -> dict[str, Any]:
    """The content of `config.yaml`: each key with its default, and `budgets`."""
    return dict(_content())


@cache
def _content() -> Mapping[str, Any]:
    return read_fields(CONFIG_FILE)


def one_of(key: str, value: Any, known: Collection[str]) -> str:
    """`value`, if it is one of the `known` names. Raises ValueError, with a suggestion, if not."""
    if value not in list(known):
        hint = did_you_mean(str(value), known)
        raise ValueError(f"{key} is {value!r}{hint} ({CHANGE.replace('{}', key)})")
    return value


def _field(key: str) -> str:
    """The field of RunConfig for a key: confirm_top for confirm.top."""
    return key.replace(".", "_")


def _key(field: str) -> str:
    return field.replace("confirm_", "confirm.")
