"""The report of a run and the comparison of runs, each one HTML file; and the model card of an export.

Imports the other modules of `results`. Read `render.py` first, then `figures.py`; `charts.py` holds the
parts of figures, `page.py` fills the templates, `templates/` holds the pages, their style and their scripts.
"""
