"""Learners of small images, their data, the gallery of the report, and predictors.

May import `trainables.training` and the modules at the top of `trainables`, not `trainables.slices`.
Read `classifier.py` first, then `data.py`.
"""
