"""Volumes of brains, and sections cut from them: the phantom, files and atlases, series, stain and artifacts.

May import `planes/` and `options.py`. Read `cutting.py` first.
"""
