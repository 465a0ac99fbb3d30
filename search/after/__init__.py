"""Everything that a finished or running search can be used for: its models, exports, predictions, reports.

Read `models.py` first. Reads tables and checkpoints, `live.py` the journal too; trains nothing. Imports
`runs`, `watch` and `trainables`.
"""
