"""Before a search: check a space, and write a space file for a user's own module.

Read `check.py` first; `new_space.py` is independent of it. Imports `runs`, `engines`, `config` and
`trainables`.
"""
