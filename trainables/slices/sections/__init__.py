"""Sections with their planes: image files, sources, splits, augmentation, and the data module of a search.

May import `volumes/`, `planes/`, `options.py` and `trainables.training.batches`. Read `data.py` first.
"""
