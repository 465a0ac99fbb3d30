"""Searches replayed on known learning curves: the real queue, with a table in place of training."""
