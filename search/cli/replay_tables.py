"""The replays of a run on the terminal."""

from typing import Any

from rich.console import Console

from results.replays import Replayed, Replays
from results.text import rounded_duration
from search.cli.tables import print_table


def print_replays(replays: Replays) -> None:
    """Prints a row per combination of settings, and what they say."""
    print_table([row_of(row, replays) for row in replays.rows])
    console = Console(soft_wrap=True, highlight=False)
    for sentence in replays.conclusions():
        console.print(sentence, markup=False)


def row_of(row: Replayed, replays: Replays) -> dict[str, Any]:
    """A combination as a row; shares are of the time of training all trials in full."""
    return {
        "sampler": row.sampler,
        "eta": row.eta,
        "grace": row.grace,
        f"finds trial {replays.winner}": f"{row.found:.0%}",
        "regret": f"{row.regret:.2f} ± {row.regret_half:.2f}",
        "cost": f"{row.seconds_share:.0%}",
        "found at": "" if row.share_to_find is None else f"{row.share_to_find:.0%}",
        f"next {replays.next_trials} trials": rounded_duration(row.next_seconds),
    }
