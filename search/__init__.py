"""The search engine: which trials to train next, where they train, and everything a run needs around that.

In Python: `search.run(...)`, `search.open("first")`, `search.resume("first")`, `search.confirm(run)`,
`search.try_(run, lr=0.01)`; see `help(search.run)`. To read the code, begin with `core/rungs.py`, then
`runs/run.py`. Imports point down: cli, api, before and after, runs, watch, engines, config, core.
"""

from search.api import confirm, resume, run, try_
from search.api import open_run as open
from search.opened import Best, SearchRun
from spaces.params import Choice, Range
from trainables.pytorch_lightning import alias

alias()  # as early as can be: a program may import pytorch_lightning next

__all__ = ["Best", "Choice", "Range", "SearchRun", "confirm", "open", "resume", "run", "try_"]
