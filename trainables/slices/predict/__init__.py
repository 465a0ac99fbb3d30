"""Prediction: from a folder of section images to QuickNII files, tables and pictures.

May import `sections`, `volumes`, `planes`, and the modules that all trainables share. Read predictor.py first.
"""
