"""Following a search: the progress view, captured output, gauges, loggers, optuna-dashboard and its server.

Read `watcher.py` first. Imports `engines`, `config`, `core` and `results`; changes nothing of a search.
"""
