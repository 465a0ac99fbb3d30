"""A trial with values that a person has chosen, in a run that is not running: the command `try`.

The journal comes first, so a kill at any time leaves an interrupted run, whose open trial `resume` treats as
any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from results.labels import label
from results.text import counted, plain
from search.config.run_config import RunConfig
from search.core.distinct import key
from search.core.job import State, Trial
from search.core.rungs import UNLIMITED
from search.core.trials import Trials
from search.engines.base import Engine
from search.runs.folder import address, read_config, write_config
from search.runs.journal import check_journal, open_study
from search.runs.lease import check_free
from search.runs.preflight import prepare_again
from search.runs.run import AtEnd, Outcome, Screen, carry_out, open_idle, search, trials_of
from search.watch.capture import capture_output
from search.watch.progress import ProgressView, parameters
from spaces.messages import did_you_mean
from spaces.params import Choice, Param, Value, initial_value
from spaces.size import configurations
from spaces.space import Space


def try_configuration(
    folder: Path, given: Mapping[str, Any], at_end: AtEnd | None = None, screen: Screen = capture_output
) -> Outcome:
    """Adds a trial with the `given` values to a run, and trains it to the last rung.

    The other parameters have the values of the best trial, or of the default before there is one. Other open
    trials stay as they are. Raises ValueError if the run is running or has failed, it cannot continue (see
    `prepare_again`), or `completed` or `check_new` refuses the values.
    """
    check_free(folder)
    run = open_idle(folder)
    check_journal(run, read_config(run))
    if run.status == "failed":
        raise ValueError(f"all trials of {address(folder)} have failed; begin a new run")
    config, notes = prepare_again(run)
    trials = trials_of(config, folder)
    best = Trials(config.space, trials, ()).best()
    params = completed(config.space, given, best.params if best else config.space.default())
    check_new(params, trials, folder)
    number = len(trials)
    if params.keys() - given.keys():
        source = f"trial {best.number}, the best one" if best else "the default configuration"
        notes.append(f"the values that are not given are those of {source}")
    if (folder / "results" / "confirm.parquet").exists():
        notes.append(f"the confirmation does not know trial {number}; confirm again to include it")

    def work(engine: Engine, config: RunConfig, folder: Path, view: ProgressView) -> None:
        (trial,) = open_study(folder, config).create([params])
        view.say(f"trial {number}, to epoch {config.epochs}, in {address(folder)}: {parameters(trial)}")
        if config.trials < UNLIMITED:
            size = int(min(config.trials + 1, configurations(config.space)))
            config = replace(config, trials=size)
            write_config(folder, config)
        search(engine, config, folder, view, only=number)
        view.say(result(open_study(folder, config, writable=False).trials()[number], config.space))

    with screen() as output:
        return carry_out(work, config, folder, output, notes, new=False, at_end=at_end)


def result(trial: Trial, space: Space) -> str:
    """How a trial has ended, for the screen."""
    value = f", {space.objective.metric} {plain(trial.values[-1])}" if trial.values else ""
    return f"trial {trial.number} is {trial.state.value} after {counted(trial.epochs, 'epoch')}{value}"


def completed(space: Space, given: Mapping[str, Any], others: Mapping[str, Value]) -> dict[str, Value]:
    """The configuration with the `given` values; parameters that lack one have that of `others`.

    A parameter that has none there takes its initial value. Raises ValueError if a given parameter does not
    exist or is not active, a value is out of its range, or the configuration breaks a rule.
    """
    for name in given:
        if name not in space.params:
            raise ValueError(f"there is no parameter {name!r} in the run{did_you_mean(name, space.params)}")
    own = {name: value_of(name, space.params[name], value) for name, value in given.items()}

    def choose(name: str, param: Param, values: Mapping[str, Value]) -> Value:
        known = own if name in own else others
        return known[name] if name in known else initial_value(param, values)

    params = space.configuration(choose)
    for name in own:
        if name not in params:
            when = space.params[name].when
            rule = " and ".join(f"{other} is {' or '.join(map(str, when[other]))}" for other in when)
            hint = ", ".join(f"{other}={values[0]}" for other, values in when.items())
            raise ValueError(f"{name} is given, but is active only when {rule} (add {hint})")
    if text := space.broken_rule(params):
        names = [name for rule in space.rules if rule.text == text for name in sorted(rule.names)]
        values = ", ".join(f"{name}={params.get(name)}" for name in names)
        raise ValueError(f"the configuration breaks {text!r} ({values}); give other values")
    return params


def value_of(name: str, param: Param, given: Any) -> Value:
    """The value of a parameter as its trials have it. Raises ValueError if it is none of the parameter."""
    if isinstance(param, Choice):
        wanted = label(given)
        for option in param.options:
            # Numbers are equal to true and false.
            if option == wanted and isinstance(option, bool) == isinstance(wanted, bool):
                return option
    elif given in param and not isinstance(given, bool):
        nearest = param.nearest(given)  # on the grid
        if not param.is_integer:
            return float(nearest)
        if nearest == given:
            return int(nearest)
    raise ValueError(f"{name} is {given!r}, but must be {rule_of(param)} ({name}=...)")


def rule_of(param: Param) -> str:
    """The values of a parameter, for a message."""
    if isinstance(param, Choice):
        fixed = len(param.options) == 1
        return f"{param.options[0]!r}, for it is fixed" if fixed else f"one of {list(param.options)}"
    kind = "a whole number" if param.is_integer else "a number"
    step = "" if param.step is None else f" in steps of {param.step}"
    return f"{kind} from {param.low} to {param.last}{step}"


def check_new(params: Mapping[str, Value], trials: Sequence[Trial], folder: Path) -> None:
    """Raises ValueError if a trial has the configuration already."""
    for trial in trials:
        if key(trial.params) == key(params):
            name = address(folder)
            is_open = trial.state is State.PAUSED
            hint = f"; go on with: python -m search resume {name}" if is_open else ""
            raise ValueError(f"trial {trial.number} of {name} has this configuration{hint} (PARAMETER=VALUE)")
