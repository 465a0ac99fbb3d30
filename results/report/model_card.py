"""The model card of an exported model: what it is, what it was trained on, how good it is, how to load it."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from results import text
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
    epoch: int,
    params: Mapping[str, Any],
    size: int,
    data: Mapping[str, Any],
    licence: str | None,
) -> str:
    """The card, in Markdown.

    `model` is how the model is called and `config` its configuration in the confirmation; `value` its
    objective on the validation split after `epoch` epochs; `size` its count of parameters; `data` what it
    was trained on.
    """
    trainable = run.config["trainable"].replace(":", ".")
    cls = trainable.rpartition(".")[2]
    lines = [
        f"# {run.config['space']}: {model} of {run.name}",
        "",
        f"{run.config.get('about') or run.config['space']}. A `{trainable}` of {size:,} parameters, found by "
        f"a search of {run.trials.num_rows} configurations; its weights are those after epoch {epoch}.",
        "",
        "## Scores",
        "",
        *scores(run, config, value),
        "",
        "## Trained on",
        "",
        *table(("data", ""), [(name, shown(entry)) for name, entry in data.items()]),
        "",
        f"Licence of the data: {licence or 'not known'}.",
        "",
        "## Hyperparameters",
        "",
        *table(("parameter", "value"), [(name, shown(entry)) for name, entry in params.items()]),
        "",
        "## Versions",
        "",
        f"Exported with Python {platform.python_version()}, {', '.join(versions())}.",
        "",
        "## Use",
        "",
        "```python",
        f"from {trainable.rpartition('.')[0]} import {cls}",
        "",
        f'model = {cls}.load_from_checkpoint("model.ckpt", weights_only=True).eval()',
        "```",
        "",
        "`model.safetensors` has the weights alone; `python -m trainables fit --config config.yaml` trains",
        "the same configuration again.",
    ]
    return "\n".join(lines) + "\n"


def scores(run: Run, config: str, value: float) -> list[str]:
    """The scores, and what is to be thought of them."""
    objective = run.config["objective"]
    metric = f"{objective['metric']} ({objective['mode']})"
    rows = [(f"{metric}, validation split, this model", f"{value:.6g}")]
    rows += [(f"{metric}, validation split, the {b.name}", f"{b.value:.6g}") for b in baselines(run)]
    said = run.confirmation()
    if said is None or said.winner is None:
        note = (
            "The validation score chose this model among others, so it flatters it. Nothing has been scored "
            f"on the test split: `python -m search confirm {run.name}` does."
        )
        return [*table(("score", ""), rows), "", note]
    rows += [
        (f"{metric}, test split, {entry.config}", text.score(entry.test))
        for entry in said.configs
        if entry.test
    ]
    return [*table(("score", ""), rows), "", apart(said, config)]


def apart(said: Confirmation, config: str) -> str:
    """What the confirmation says of the winner."""
    seeds = f"Test scores are means over {said.seeds} trainings on fresh seeds, with 95 % intervals."
    if said.seeds == 1:
        seeds = "Test scores are of one training on a fresh seed: nothing can be said of how sure they are."
    if said.runner_up is None:
        return seeds
    told = "better than" if said.told_apart else "not told apart from"
    return f"{seeds} {said.winner} is {told} the runner-up, {said.runner_up}; this model is one of {config}."


def table(head: tuple[str, str], rows: list[tuple[str, str]]) -> list[str]:
    """Rows as a Markdown table."""
    return [f"| {left} | {right} |" for left, right in [head, ("---", "---"), *rows]]


def shown(value: Any) -> str:
    """A value as its cell of a table."""
    return f"{value:.6g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def versions() -> list[str]:
    """`torch 2.12.0` of each package that is there."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
