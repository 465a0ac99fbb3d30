"""The configuration of a run: one flat set of keys, laid over by the command line in Hydra's grammar.

May import `core`, `spaces` and `results`. Read `config.yaml` first, then `run_config.py`.
"""
