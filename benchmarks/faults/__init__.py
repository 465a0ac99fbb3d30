"""Faults for running searches, and the invariants that hold after each. `benchmarks/chaos.py` runs them."""
