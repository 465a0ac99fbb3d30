"""Replays of a run: whole searches on its learning curves, with other settings and a simulated clock.

Read `replay.py` first. Queue, study and policies are the real ones; a table of curves answers in place of
training. `benchmarks/` searches other curves with the same parts.
"""
