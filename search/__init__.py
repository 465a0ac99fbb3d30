"""The search engine: which trials to train next, where they train, and everything a run needs around that.

Read `core/rungs.py` first, then `runs/run.py`. Imports point down: cli, before and after, runs, watch,
engines, config, core.
"""
