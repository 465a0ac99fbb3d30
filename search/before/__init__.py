"""Before a search: check a space, and write a space file for a module of one's own.

Both files stand alone. Imports `runs`, `engines`, `config` and `trainables`.
"""
