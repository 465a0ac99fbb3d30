"""The command line: commands, their options, exit codes and terminal tables.

Read `commands.py` first. Imports everything else in `search`, inside each command, so that it starts fast.
"""
