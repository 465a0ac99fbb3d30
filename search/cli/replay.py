"""The command `replay`, and its table."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from search.cli.options import AsJson, Name, Options, options_of

if TYPE_CHECKING:
    from results.replays import Replay

LISTS = ("eta", "grace", "sampler")


def replay(name: Name, options: Options = None, as_json: AsJson = False) -> None:
    """Search a run's own curves again with other settings.

    Example: `python -m search replay first eta=2,3,4 grace=1,3 sampler=tpe,ladder`

    Shows which settings would have found the winner, at what share of the cost, and how long `trials=N`
    trials take. A key that is left out has the run's own value. Nothing is trained.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from results import replays
    from search.after.report import make
    from search.cli.tables import print_table
    from search.replay.record import read_record
    from search.replay.replay import SEARCHES
    from search.replay.replay import replay as search_again
    from search.replay.settings import settings_of
    from search.runs.find import find
    from search.runs.folder import read_config, short
    from search.runs.mirror import Mirror
    from search.runs.run import open_idle
    from search.runs.tables import with_tables
    from spaces.validation import PositiveInt, check_value

    values = options_of(with_lists(options or []), storage="runs", trials=None, **dict.fromkeys(LISTS))
    run = with_tables(open_idle(find(name, str(values["storage"])).path))
    config = read_config(run)
    own = min(config.trials, run.trials.num_rows) if config.time else config.trials
    trials = own if values["trials"] is None else values["trials"]
    check_value(PositiveInt, "trials", trials)
    settings = settings_of(config, *(values[key] or () for key in LISTS))
    record = read_record(run, config)
    columns = TextColumn("searches"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f}")
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("", total=len(settings) * SEARCHES)
        result = search_again(record, run, config, settings, trials, lambda: bar.advance(task))
    replays.write(run.path, result)
    Mirror(run.path).put(replays.REPLAY_FILE)
    if as_json:
        print(json.dumps(plain(result), indent=2))
    else:
        console = Console(soft_wrap=True, highlight=False)
        console.print(f"{run.name}: {replays.about(result.basis)}\n", markup=False)
        print_table(table(result))
        for line in (replays.verdict(result), *replays.notes(result.basis)):
            console.print(line, markup=False)
    if (run.path / "report.html").exists():
        print(f"report: {short(make(run))}", file=sys.stderr if as_json else sys.stdout)


def with_lists(options: Sequence[str]) -> list[str]:
    """The options with `eta=2,3` as `eta=[2,3]`, for each key of LISTS."""
    parts = [option.partition("=") for option in options]
    return [
        f"{key}=[{value}]"
        if key in LISTS and equals and not value.startswith("[")
        else f"{key}{equals}{value}"
        for key, equals, value in parts
    ]


def plain(replay: "Replay") -> dict[str, Any]:
    """A replay as plain data for JSON."""
    from results.replays import verdict

    best = replay.best
    return asdict(replay) | {"best": best.name if best else None, "verdict": verdict(replay)}


def table(replay: "Replay") -> list[dict[str, Any]]:
    """The rows of the table on the screen; the best one is marked if it can be told apart."""
    from results.text import rounded_duration

    return [
        {
            "eta": row.eta,
            "grace": row.grace,
            "sampler": row.sampler,
            "rungs": " ".join(map(str, row.rungs)),
            "found": f"{row.found:.0%}",
            "regret": row.regret_text,
            "epochs": f"{row.epochs_share:.0%}",
            "time": f"{row.seconds_share:.0%}",
            f"{replay.basis.next_trials} trials": rounded_duration(row.seconds),
        }
        | ({"": "best" if row == replay.best else ""} if replay.best else {})
        for row in replay.rows
    ]
