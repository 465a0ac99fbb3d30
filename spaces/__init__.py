"""Search spaces: one YAML file each, and the code that reads, validates and samples them.

May import `results`, nothing of `search` or `trainables`, and not PyTorch. Read `space.py` first, then
`params.py`; `lane.py` holds the data types that `search` and `trainables` exchange.
"""
