"""A model of all results of a search, at all rungs at once: a Gaussian process over configuration and epochs.

Read `encoding.py` first, then `results.py`, `kernel.py`, `surrogate.py`. Imports `spaces`, NumPy and SciPy.
"""
