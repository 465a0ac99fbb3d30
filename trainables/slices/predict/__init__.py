"""Prediction: from a folder of section images to QuickNII files, tables and pictures.

Read `predictor.py` first. Imports `sections`, `volumes`, `planes` and the modules of all trainables.
"""
