"""Language models of characters: a transformer, its data and n-gram baseline, gallery and predictor.

May import `trainables.training` and the modules at the top of `trainables`. Read `transformer.py` first.
"""
