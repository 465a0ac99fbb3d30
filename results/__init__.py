"""Results: the tables of a run, its statistics and analysis, and, in `report/`, its pages.

Reads and writes tables; starts nothing. Imports nothing else of this repository. Read `store.py` first:

    run = results.open_run("runs/first")  # run.trials, run.rungs and run.epochs are Arrow tables
"""

from results.store import Run, open_run

__all__ = ["Run", "open_run"]
