"""Modules, data and Trainer arguments from the configuration of a project: LightningCLI's or Hydra's.

Nothing here is of a trial or of a search; `trainables/training/build.py` gives the values.
"""
