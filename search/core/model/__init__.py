"""A Gaussian process over the results of all rungs, and what is chosen by it.

Read `encoding.py` first, then `results.py`, `kernel.py`, `surrogate.py`. Imports `spaces`, NumPy and SciPy.
"""
