"""Measured metrics: properties of a model that no training logs, for objectives and constraints.

docs/reference.md defines them; `trainables/training/measure.py` measures them.
"""

from collections.abc import Iterable

PREFIX = "model/"
PARAMS = "model/params"
LATENCY = "model/latency_ms"
MEMORY = "model/memory_mb"
MEASURED = (PARAMS, LATENCY, MEMORY)


def measured_names(metrics: Iterable[str]) -> tuple[str, ...]:
    """Those of the metrics that are measured. Raises ValueError for an unknown name that begins as theirs."""
    names = tuple(name for name in metrics if name.startswith(PREFIX))
    for name in names:
        if name not in MEASURED:
            raise ValueError(
                f"{name!r} is no measured metric; there are: {', '.join(MEASURED)} "
                "(objective and constraint in the space file)"
            )
    return names
