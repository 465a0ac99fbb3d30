"""The model card of an exported model: scores, data, hyperparameters, versions, and how to load it."""

import platform
from collections.abc import Mapping
from typing import Any

from results import environment, text
from results.baselines import baselines
from results.stats import Confirmation
from results.store import Run

PACKAGES = ("ladder-search", "torch", "lightning", "numpy")


def card(
    run: Run,
    *,
    model: str,
    config: str,
    value: float,
    weights: str,
    params: Mapping[str, Any],
    size: int,
    trainable: str,
    is_project: bool,
    data: Mapping[str, Any],
    licence: str | None,
) -> str:
    """The card, in Markdown.

    `model` is the name of the model and `config` that of its configuration in the confirmation. `value` is
    its objective on the validation split, `weights` the epoch of its weights in words, `size` its number of
    parameters, `trainable` the path of its class, or its name where a script holds the class, `data` the
    class and options of its data. The configuration of a project (`is_project`) makes its module.
    """
    result = run.confirmation
    confirmed = result is not None and result.winner is not None
    picked = f": the {text.picked(run.config)} of its training" if confirmed else ""
    versions = [f"{name} {version}" for name, version in environment.versions(PACKAGES).items()]
    lines = [
        f"# {run.config['space']}: {model} of {run.name}",
        "",
        f"{run.config.get('about') or run.config['space']}. A `{trainable}` with {size:,} parameters, found "
        f"by a search of {run.trials.num_rows} configurations. Its weights are "
        f"{weights}{picked}.",
        "",
        "## Scores",
        "",
        *scores(run, config, value),
        "",
        "## Trained on",
        "",
        *table(("data", ""), [(name, cell(entry)) for name, entry in data.items()]),
        "",
        f"Licence of the data: {licence or 'not known'}.",
        "",
        "## Hyperparameters",
        "",
        *table(("parameter", "value"), [(name, cell(entry)) for name, entry in params.items()]),
        "",
        "## Versions",
        "",
        f"Exported with Python {platform.python_version()}, {', '.join(versions)}.",
        "",
        "## Use",
        "",
        *use(trainable, is_project or "." not in trainable),
        "",
        *again(is_project),
    ]
    return text.without_home("\n".join(lines) + "\n")


def use(trainable: str, weights_only: bool) -> list[str]:
    """How to load the model; where nothing else makes its module, the weights into that."""
    module, _, cls = trainable.rpartition(".")
    if weights_only:
        lines = [
            "from safetensors.torch import load_file",
            "",
            f'model.load_state_dict(load_file("model.safetensors"))  # model: your {cls}',
        ]
    else:
        load = f'model = {cls}.load_from_checkpoint("model.ckpt", weights_only=True).eval()'
        lines = [f"from {module} import {cls}", "", load]
    return ["```python", *lines, "```"]


def again(is_project: bool) -> list[str]:
    """How to train the configuration again."""
    if is_project:
        return ["`config.yaml` is the configuration of the project with the values above."]
    return [
        "`model.safetensors` has only the weights. `python -m trainables fit --config config.yaml` trains",
        "the same configuration again.",
    ]


def scores(run: Run, config: str, value: float) -> list[str]:
    """The table of scores, and a sentence on how certain they are."""
    objective = run.objective
    metric = f"{objective['metric']} ({objective['mode']})"
    rows = [(f"{metric}, validation split, this model", f"{value:.6g}")]
    rows += [(f"{metric}, validation split, the {b.name}", f"{b.value:.6g}") for b in baselines(run)]
    confirmation = run.confirmation
    if confirmation is None or confirmation.winner is None:
        note = (
            "This model was selected by its validation score, which is therefore biased. Nothing has been "
            f"scored on the test split; run `python -m search confirm {run.name}` to do that."
        )
        return [*table(("score", ""), rows), "", note]
    rows += [
        (f"{metric}, test split, {entry.config}", text.score(entry.test))
        for entry in confirmation.configs
        if entry.test
    ]
    new = text.on_new_data(confirmation, run.new_data())
    return [*table(("score", ""), rows), "", f"{certainty(confirmation, config)} {new}".rstrip()]


def certainty(confirmation: Confirmation, config: str) -> str:
    """A sentence on how certain the winner of the confirmation is. `config` is the model's configuration."""
    seeds = f"Test scores are means over {confirmation.seeds} trainings on new seeds, with 95 % intervals."
    if confirmation.seeds == 1:
        seeds = "Test scores are from one training on a new seed, which does not show how certain they are."
    if confirmation.runner_up is None:
        return seeds
    comparison = "better than" if confirmation.told_apart else "not told apart from"
    return (
        f"{seeds} {confirmation.winner} is {comparison} the runner-up, {confirmation.runner_up}; "
        f"this model was trained with {config}."
    )


def table(head: tuple[str, str], rows: list[tuple[str, str]]) -> list[str]:
    """Rows as a Markdown table."""
    return [f"| {left} | {right} |" for left, right in [head, ("---", "---"), *rows]]


def cell(value: Any) -> str:
    """A value as a cell of a Markdown table."""
    return f"{value:.6g}" if isinstance(value, float) else str(value).replace("|", "\\|")
