"""What the command line prints of runs: a summary as JSON, and the same as a screenful."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from results import text
from results.baselines import Baseline, baselines
from results.stats import DEFAULT, Confirmation, Confirmed, Estimate
from results.store import Run, best_first
from results.text import duration, number, plain

TOP, BESIDE = 10, 5  # trials on the screen, alone and beside a confirmation
FIXED = 5  # columns before the parameters


def summary(run: Run) -> dict[str, Any]:
    """A run as plain JSON data."""
    trials = [trial(row) for row in run.trials.to_pylist()]
    best, confirmed = run.best(), run.confirmation()
    return {
        "run": run.name,
        "space": run.config["space"],
        "status": run.status,
        "objective": {**run.config["objective"], "baseline": None, "nearest": None}
        | {baseline.key: baseline.value for baseline in baselines(run)},
        "best": trial(best) if best else None,
        "confirmed": asdict(confirmed) if confirmed else None,
        "trials": trials,
    }


def trial(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the trials table as `show --json` gives it."""
    return {
        "trial": row["trial"],
        "state": row["state"],
        "epochs": row["epochs"],
        "value": row["objective"],
        "params": {key.removeprefix("param/"): v for key, v in row.items() if key.startswith("param/")},
        "seconds": row["seconds"],
        "error": row["error"],
    }


def brief(run: Run) -> dict[str, Any]:
    """A run in one line of a list."""
    best = run.best()
    return {
        "run": run.name,
        "space": run.config["space"],
        "status": run.status,
        "trials": run.trials.num_rows,
        "objective": run.config["objective"]["metric"],
        "best": best["objective"] if best else None,
    }


def print_run(run: Run) -> None:
    """The best trial, what it is worth, and the best of the others."""
    found = summary(run)
    console = Console(soft_wrap=True, highlight=False)
    objective, best = found["objective"], found["best"]
    console.print(f"[bold]{run.name}[/bold] ({found['space']}): {found['status']}, {states(found['trials'])}")
    if best is None:
        console.print("no trial has a value")
    else:
        console.print(
            f"best {objective['metric']} ({objective['mode']}): [bold]{number(best['value'])}[/bold] "
            f"after {best['epochs']} epochs, trial {best['trial']}{against(baselines(run))}"
        )
        valued = best_first(run.trials.to_pylist(), objective["mode"])
        counting = ", ".join(f"{name}={plain(value)}" for name, value in run.params(valued[0]).items())
        console.print(f"  {counting}", markup=False)
        shown = [line(run, row) for row in valued[: BESIDE if found["confirmed"] else TOP]]
        print_table(narrowed(shown, console.width))
    if said := run.confirmation():
        print_confirmation(said, objective, console)
    for row in [row for row in found["trials"] if row["error"]][:3]:
        console.print(f"trial {row['trial']} {row['state']}: {row['error']}", markup=False)
    if found["status"] == "interrupted":
        console.print(f"go on with: python -m search resume {run.name}", markup=False)


def print_confirmation(said: Confirmation, objective: dict[str, Any], console: Console) -> None:
    """Who won on fresh seeds and the test split, by how much, and how sure that is."""
    if not said.configs:
        console.print("\nthe confirmation has not trained all configurations on any seed yet")
        return
    seeds = f"{said.seeds} fresh seed{'s' * (said.seeds != 1)}"
    console.print(f"\nconfirmed on the test split, each trained on {seeds} ({objective['metric']}):")
    print_table([confirmed_line(config) for config in said.configs])
    for config in said.configs:
        for error in config.errors:
            console.print(f"{config.config} {error}", markup=False)
    for conclusion in conclusions(said):
        console.print(conclusion)


def confirmed_line(config: Confirmed) -> dict[str, Any]:
    """A configuration as a row of the table; half its interval, for Student's is symmetric."""
    test, val = config.test, config.val
    known = config.trial if config.config == DEFAULT else None
    return {
        "config": config.config if known is None else f"{DEFAULT} (trial {known})",
        "test": text.mean(test) if test else "none",
        "± 95 %": text.rounded(give, give) if test and (give := text.half(test)) else "",
        "sd": text.rounded(test.sd, test.sd) if test and test.sd is not None else "",
        "val": text.mean(val) if val else "none",
        "search": "" if config.searched is None else number(config.searched) + after(config),
        "best with": "" if config.probability_best is None else f"{config.probability_best:.0%}",
    }


def conclusions(said: Confirmation) -> list[str]:
    """What follows from a confirmation, a line each."""
    if said.winner is None:
        return ["no configuration has a score on every seed, so there is no winner"]
    won = said.configs[0]
    assert won.test is not None, "a winner has a score"
    lines = [f"winner: [bold]{won.config}[/bold] with {text.mean(won.test)}"]
    if said.winner == DEFAULT:
        lines[0] += ": nothing that the search found is better than the default configuration"
    if said.lead is not None:
        verdict = "" if said.told_apart else "; [bold]the two can't be told apart[/bold]"
        if said.lead.n == 1:
            verdict = "; with one seed nothing can be said of how sure that is"
        lines.append(f"better than {said.runner_up} by {text.mean(said.lead)} {span(said.lead)}{verdict}")
    if said.lead_over_default is not None and said.runner_up != DEFAULT:
        lead = said.lead_over_default
        verdict = "; the two can't be told apart" if lead.n > 1 and lead.holds_zero else ""
        lines.append(f"better than the default by {text.mean(lead)} {span(lead)}{verdict}")
    if won.gap is not None and won.searched is not None:
        gap = f"{text.rounded(abs(won.gap), won.test.sd)} {'worse' if won.gap > 0 else 'better'}"
        lines.append(f"the search said {number(won.searched)}{after(won)}; the test split is {gap} than that")
    return [line.rstrip() for line in lines]


def span(of: Estimate) -> str:
    """An interval for people; nothing where there is none."""
    return "" if of.low is None else f"({text.interval(of)})"


def after(config: Confirmed) -> str:
    """Of which epoch a value of the search is, where it is not the last."""
    return f" (epoch {config.early})" if config.early else ""


def against(known: Sequence[Baseline]) -> str:
    """How the best stands to predictions that take no training."""
    return "".join(
        f"; the {baseline.name} scores {number(baseline.value)}"
        + (f": [bold red]{baseline.verdict}[/bold red]" if baseline.verdict else "")
        for baseline in known
    )


def line(run: Run, row: Mapping[str, Any]) -> dict[str, Any]:
    """A trial as a row of the table, where a parameter that does not count is empty."""
    params = run.params(row)
    return {
        "trial": row["trial"],
        "state": row["state"],
        "epochs": row["epochs"],
        "value": row["objective"],
        "time": duration(row["seconds"]),
        **{name: plain(params[name]) if name in params else "" for name in run.config["params"]},
    }


def narrowed(rows: list[dict[str, Any]], width: int) -> list[dict[str, Any]]:
    """The rows without the last parameters, as far as these have no room."""
    sizes = {key: 2 + max(len(key), *(len(plain(row[key])) for row in rows)) for key in rows[0]}
    keys = list(sizes)
    while len(keys) > FIXED and sum(sizes[key] for key in keys) - 2 > width:
        keys.pop()
    return [{key: row[key] for key in keys} for row in rows]


def states(trials: Sequence[dict[str, Any]]) -> str:
    """`12 trials: 1 complete, 11 stopped`."""
    names = [row["state"] for row in trials]
    counts = ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names)))
    return f"{len(trials)} trials" + (f": {counts}" if counts else "")


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Rows with equal keys, as a table; where it is too wide, beside each other, if that takes less room."""
    console = Console(highlight=False)
    lines = [list(rows[0]), *(["" if v is None else plain(v) for v in row.values()] for row in rows)]
    below, beside = grid(lines), grid(list(zip(*lines, strict=True)))
    unbounded = console.options.update(max_width=10_000)
    wide, turned = (Measurement.get(console, unbounded, table).maximum for table in (below, beside))
    console.print(beside if wide > console.width and turned < wide else below)


def grid(lines: Sequence[Sequence[str]]) -> Table:
    """A table whose first line is its head."""
    head, *body = lines
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in head:
        table.add_column(name, overflow="fold")
    for cells in body:
        table.add_row(*cells)
    return table
