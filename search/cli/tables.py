"""Runs on the terminal: a summary as JSON, and the same as text with tables."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from results import text
from results.baselines import NAMES, Baseline, baselines
from results.forecast import forecast, on_more_trials
from results.spending import on_rungs, on_trials, spending
from results.stats import DEFAULT, Confirmation, ConfirmedConfig, Estimate
from results.store import Run, best_first
from results.text import duration, number, plain
from search.runs.find import find
from spaces.messages import one_line

TOP = 10  # trials on the screen
TOP_CONFIRMED = 5  # trials on the screen below a confirmation


def summary(run: Run) -> dict[str, Any]:
    """A run as plain data for JSON."""
    trials = [trial(row) for row in run.trials.to_pylist()]
    best, confirmed = run.best(), run.confirmation
    return {
        "run": run.name,
        "space": run.config["space"],
        "status": run.status,
        "objective": {**run.objective, **dict.fromkeys(NAMES)}
        | {baseline.key: baseline.value for baseline in baselines(run)},
        "objectives": run.objectives,
        "constraints": run.constraints,
        "early_end": asdict(run.early_end) if run.early_end else None,
        "best": trial(best) if best else None,
        "confirmed": asdict(confirmed) if confirmed else None,
        "forecast": asdict(more) if (more := forecast(run)) else None,
        "new_data": asdict(new) if (new := run.new_data()) else None,
        "trials": trials,
    }


def trial(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the trials table as `show --json` gives it."""
    return {
        "trial": row["trial"],
        "state": row["state"],
        "epochs": row["epochs"],
        "value": row["objective"],
        "metrics": named(row, "metric/"),
        "violation": row.get("violation"),
        "front": row.get("front"),
        "params": named(row, "param/"),
        "seconds": row["seconds"],
        "error": row["error"],
    }


def named(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The values of the columns `<prefix><name>`, by name."""
    return {key.removeprefix(prefix): value for key, value in row.items() if key.startswith(prefix)}


def brief(name: str, storage: str) -> dict[str, Any]:
    """A run in a storage as a row of the list of runs; `error` says why one can't be opened."""
    try:
        run = find(name, storage)
        best = run.best()
    except ValueError as error:
        unknown = dict.fromkeys(("trials", "objective", "best"))
        return {
            "run": name,
            "space": None,
            "status": "unreadable",
            **unknown,
            "error": one_line(error),
        }
    return {
        "run": run.name,
        "space": run.config["space"],
        "status": run.status,
        "trials": run.trials.num_rows,
        "objective": run.objective["metric"],
        "best": best["objective"] if best else None,
    }


def print_briefs(rows: Sequence[dict[str, Any]]) -> None:
    """Prints the list of runs, and below it why runs can't be opened."""
    print_table([{key: value for key, value in row.items() if key != "error"} for row in rows])
    for row in rows:
        if "error" in row:
            print(f"{row['run']}: {row['error']}")


def print_run(run: Run) -> None:
    """Prints the best trial, the baselines, the next best trials, and the confirmation."""
    facts = summary(run)
    console = Console(soft_wrap=True, highlight=False)
    objective, best = facts["objective"], facts["best"]
    console.print(f"[bold]{run.name}[/bold] ({facts['space']}): {facts['status']}, {states(facts['trials'])}")
    if run.early_end:
        console.print(text.early_end(run.early_end, run.config["trials"]), soft_wrap=False)
    if grown := text.grown(run.config):
        console.print(grown, soft_wrap=False)
    if best is None:
        console.print("no trial has a value")
    else:
        console.print(
            f"best {objective['metric']} ({objective['mode']}): [bold]{number(best['value'])}[/bold] "
            f"after {best['epochs']} epochs, trial {best['trial']}{against(baselines(run))}"
        )
        ranked = best_first(run.trials.to_pylist(), objective["mode"])
        params = ", ".join(f"{name}={plain(value)}" for name, value in run.params(ranked[0]).items())
        console.print(f"  {params}", markup=False)
        winner = run.winner() or best
        spent = spending(run.trials.to_pylist(), run.rungs.to_pylist(), run.config, winner["trial"])
        sentence = "; ".join(filter(None, (on_rungs(spent), on_trials(spent))))
        more = "" if facts["confirmed"] else on_more_trials(run)  # which would take a line of 24
        for line in filter(None, (sentence, more, *trade_offs(run, ranked))):
            console.print(line, markup=False, soft_wrap=False)
        shown = [row for row in ranked if row["front"]] if len(run.objectives) > 1 else ranked
        rows = [trial_row(run, row) for row in shown[: TOP_CONFIRMED if facts["confirmed"] else TOP]]
        print_table(drop_columns(rows, len(run.config["params"]), console.width))
    if confirmation := run.confirmation:
        print_confirmation(confirmation, run, console)
        if sentence := text.on_new_data(confirmation, run.new_data()):
            console.print(sentence, markup=False, soft_wrap=False)
    for row in [row for row in facts["trials"] if row["error"]][:3]:
        console.print(f"trial {row['trial']} {row['state']}: {row['error']}", markup=False)
    if facts["status"] == "interrupted":
        console.print(f"go on with: python -m search resume {run.name}", markup=False)


def trade_offs(run: Run, ranked: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line on the front of several objectives, and one on the constraints; `ranked` trials have a value."""
    lines = []
    if len(run.objectives) > 1:
        names = " and ".join(f"{one['metric']} ({one['mode']})" for one in run.objectives)
        front = sum(bool(row["front"]) for row in ranked)
        rest = "no other one is better in all objectives"
        lines.append(f"front of {names}: {front} of {text.counted(len(ranked), 'trial')}; {rest}")
    if run.constraints:
        broken = sum(row["violation"] > 0 for row in ranked)
        lines.append(text.broken_constraints(run.constraints, broken, len(ranked)))
    return lines


def print_confirmation(confirmation: Confirmation, run: Run, console: Console) -> None:
    """Prints the scores on the test split, the winner, its lead, and their uncertainty."""
    if not confirmation.configs:
        console.print("\nthe confirmation has not trained all configurations on any seed yet")
        return
    seeds = text.counted(confirmation.seeds, "new seed")
    epoch = text.picked(run.config)
    console.print(f"\nconfirmed on the test split, each trained on {seeds} ({epoch}):")
    print_table([confirmed_row(config) for config in confirmation.configs])
    for config in confirmation.configs:
        for error in config.errors:
            console.print(f"{config.config} {error}", markup=False)
    for conclusion in conclusions(confirmation):
        console.print(conclusion)


def confirmed_row(config: ConfirmedConfig) -> dict[str, Any]:
    """A confirmed configuration as a row; its interval is symmetric, so half of it is printed."""
    test, val = config.test, config.val
    known = config.trial if config.config == DEFAULT else None
    return {
        "config": config.config if known is None else f"{DEFAULT} (trial {known})",
        "test": text.mean(test) if test else "none",
        "± 95 %": text.rounded(give, give) if test and (give := text.half_width(test)) else "",
        "sd": text.rounded(test.sd, test.sd) if test and test.sd is not None else "",
        "val": text.mean(val) if val else "none",
        "search": "" if config.searched is None else number(config.searched) + after(config),
        **{name: number(value) for name, value in config.metrics.items()},
        "best with": "" if config.probability_best is None else f"{config.probability_best:.0%}",
    }


def conclusions(confirmation: Confirmation) -> list[str]:
    """The conclusions of a confirmation, a line each."""
    broken = [config.config for config in confirmation.configs if config.violation > 0]
    names = f"; {', '.join(broken)} can't win: a constraint is broken" if broken else ""
    if confirmation.winner is None:
        return [f"no configuration has a score on every seed, so there is no winner{names}"]
    winner = confirmation.configs[0]
    assert winner.test is not None, "a winner has a score"
    lines = [f"winner: [bold]{winner.config}[/bold] with {text.mean(winner.test)}"]
    if confirmation.winner == DEFAULT:
        lines[0] += ": no trial of the search is better than the default configuration"
    if (lead := confirmation.lead) is not None:
        verdict = "" if confirmation.told_apart else "; [bold]the two can't be told apart[/bold]"
        if lead.n == 1:
            verdict = "; with one seed the uncertainty is unknown"
        lines.append(f"better than {confirmation.runner_up} by {text.mean(lead)} {span(lead)}{verdict}")
    if (lead := confirmation.lead_over_default) is not None and confirmation.runner_up != DEFAULT:
        verdict = "; the two can't be told apart" if lead.n > 1 and lead.contains_zero else ""
        lines.append(f"better than the default by {text.mean(lead)} {span(lead)}{verdict}")
    if winner.gap is not None and winner.searched is not None:
        gap = f"{text.rounded(abs(winner.gap), winner.test.sd)} {'worse' if winner.gap > 0 else 'better'}"
        value = f"{number(winner.searched)}{after(winner)}"
        lines.append(f"its value in the search was {value}; the test split is {gap} than that")
    lines[0] += names
    return [line.rstrip() for line in lines]


def span(of: Estimate) -> str:
    """An interval in brackets; empty if there is none."""
    return "" if of.low is None else f"({text.interval(of)})"


def after(config: ConfirmedConfig) -> str:
    """The epoch of a value of the search, if it is not the last."""
    return f" (epoch {config.early})" if config.early else ""


def against(known: Sequence[Baseline]) -> str:
    """The baselines beside the best value."""
    return "".join(
        f"; the {baseline.name} scores {number(baseline.value)}"
        + (f": [bold red]{baseline.verdict}[/bold red]" if baseline.verdict else "")
        for baseline in known
    )


def trial_row(run: Run, row: Mapping[str, Any]) -> dict[str, Any]:
    """A trial as a row; an inactive parameter is empty."""
    params = run.params(row)
    before = {
        "trial": row["trial"],
        "state": row["state"],
        "epochs": row["epochs"],
        "value": row["objective"],
        **{name: "" if value is None else value for name, value in named(row, "metric/").items()},
        "time": duration(row["seconds"]),
    }
    names = list(run.config["params"])
    columns = text.short_names([*before, *names])[len(before) :]
    values = [plain(params[name]) if name in params else "" for name in names]
    return before | dict(zip(columns, values, strict=True))


def drop_columns(rows: list[dict[str, Any]], params: int, width: int) -> list[dict[str, Any]]:
    """The rows, whose last columns are `params` parameters, without those that do not fit into `width`.

    An empty last column `+3 more` counts the parameters that are left out.
    """
    sizes = {key: 2 + max(len(key), *(len(plain(row[key])) for row in rows)) for key in rows[0]}
    keys, more = list(sizes), ""
    fixed = len(keys) - params
    while len(keys) > fixed and sum(sizes[key] for key in keys) + len(more) > width + 2 * (not more):
        keys.pop()
        more = f"+{len(sizes) - len(keys)} more"
    return [{key: row[key] for key in keys} | ({more: ""} if more else {}) for row in rows]


def states(trials: Sequence[dict[str, Any]]) -> str:
    """`12 trials: 1 complete, 11 stopped`."""
    names = [row["state"] for row in trials]
    counts = ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names)))
    return f"{len(trials)} trials" + (f": {counts}" if counts else "")


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Prints rows with equal keys as a table; transposed where it is too wide and that is narrower."""
    console = Console(highlight=False)
    lines = [list(rows[0]), *(["" if v is None else plain(v) for v in row.values()] for row in rows)]
    table, transposed = grid(lines), grid(list(zip(*lines, strict=True)))
    unbounded = console.options.update(max_width=10_000)
    width, other = (Measurement.get(console, unbounded, grid_).maximum for grid_ in (table, transposed))
    console.print(transposed if width > console.width and other < width else table)


def grid(lines: Sequence[Sequence[str]]) -> Table:
    """A table with the first line as its header."""
    header, *body = lines
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in header:
        table.add_column(name, overflow="fold")
    for cells in body:
        table.add_row(*cells)
    return table
