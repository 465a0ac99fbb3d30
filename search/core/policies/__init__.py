"""Policies, one a file: each decides the next action from the history of all trials.

Read `base.py` first; `registry.py` lists the policies by the name that `sampler=NAME` takes.
"""
