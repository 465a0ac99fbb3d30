"""Samplers, one algorithm a file: each proposes configurations from the history of all trials.

Read `base.py` first; `registry.py` lists the samplers by name.
"""
