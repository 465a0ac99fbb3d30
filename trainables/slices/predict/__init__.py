"""Prediction: from a folder of section images to QuickNII files, tables and pictures.

May import `sections/`, `volumes/`, `planes/`, `trainables.predictor` and `trainables.training.precision`.
Read `predictor.py` first.
"""
