"""Packs: the lanes of a job trained in one process, as one batched model where that is right and faster.

Read `pack.py` first, then `group.py`. A `Learner`, and any LightningModule that `packable.py` accepts, are
lanes (`lane.py`).
"""
