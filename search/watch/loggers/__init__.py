"""Loggers that the user knows: each trial is logged there too (`logger=csv|tensorboard|mlflow|wandb`).

Read `base.py` first; one logger a file, and `registry.py` lists them by name. Imports Lightning's loggers.
"""
