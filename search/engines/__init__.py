"""Engines: each executes the jobs of a queue, on Ray Tune or in this process.

Read `base.py` first, then `local.py`. `train_job.py` is the one seam to `trainables`; only `ray_tune.py`
imports Ray. Imports `config`, `core` and, in a worker, `trainables`.
"""
