"""Planes through an atlas: geometry, distributions, regression targets, and QuickNII's files.

May import `options.py` and `results/files.py`. Read `geometry.py` first.
"""
