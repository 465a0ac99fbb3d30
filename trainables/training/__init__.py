"""How learners and other LightningModules train: jobs, packs, Lightning's loop, checkpoints, batches.

Imports the top level of `trainables` and `spaces`, no task and nothing of `search`. Read `train.py` first.
"""
