"""Prediction: from a folder of section images to QuickNII files, tables and pictures.

May import `sections`, `volumes`, `planes` and what is shared by all trainables. Read predictor.py first.
"""
