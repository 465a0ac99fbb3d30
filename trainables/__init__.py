"""Learners, their data and their training.

Knows nothing of Ray Tune, Optuna or rungs; imports `spaces` and `results.picture`, never `search`. Each task
has a folder, `mnist/` and `slices/`. Read `learner.py` first, then `training/train.py`.
"""
