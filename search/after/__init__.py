"""Everything that a finished or running search can be used for: its models, exports, predictions, report.

Read `models.py` first. Reads tables and checkpoints only; trains nothing. Imports `runs` and `trainables`.
"""
