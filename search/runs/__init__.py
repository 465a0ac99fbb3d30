"""A run from start to end: its checks, its folder, the search, the confirmation, and its tables.

Read `run.py` first. Imports `watch`, `engines`, `config`, `core` and `results`; needs no PyTorch.
"""
