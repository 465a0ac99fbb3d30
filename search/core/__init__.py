"""The algorithm: when a trial starts, pauses, is promoted or ends, and the study that remembers it.

Read `rungs.py` first, then `queue.py`, `samplers/` and `policies/`. Imports `spaces`, Optuna, NumPy, SciPy
and the standard library, nothing else.
"""
