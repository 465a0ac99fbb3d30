"""verify_error(...): whether a pack trains a module as Lightning alone does, tried on its first batches."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

from torch.nn.modules.dropout import _DropoutNd

from spaces.messages import describe
from spaces.metrics import LATENCY
from trainables.training.fit import Fit
from trainables.training.packs.lane_trainer import Unpackable
from trainables.training.run_fit import run_fit

BATCHES = {"limit_train_batches": 2, "limit_val_batches": 2}  # the second shows what the first step has done
TOLERANCE = 1e-4  # of a value logged, relative: an optimizer scales up rounding errors


def verify_error(
    alone: Callable[[Path], Fit], packed: Callable[[Path], Fit], ranking: tuple[str, ...]
) -> str | None:
    """The reason why a pack of one does not train as Lightning alone; None if it does.

    Both make a Fit of the same lane that takes `BATCHES`; they get a folder for files. Dropout is off, for a
    pack draws it in its own way. Raises any exception of the module alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        expected = first_epoch(alone(Path(folder)), ranking)
        try:
            got = first_epoch(packed(Path(folder)), ranking)
        except Unpackable as error:
            return str(error)
        except Exception as error:  # the module needs something that a pack has not
            return describe(error)
    if expected.keys() != got.keys():
        names = ", ".join(sorted(expected.keys() ^ got.keys()))
        return f"a pack does not log the same values as Lightning alone: {names}"
    for name, value in expected.items():
        if not (math.isclose(got[name], value, rel_tol=TOLERANCE, abs_tol=1e-8) or value != value):
            return f"{name} is {got[name]:.6g} in a pack, and {value:.6g} under Lightning alone"
    return None


def first_epoch(fit: Fit, ranking: tuple[str, ...]) -> dict[str, float]:
    """The metrics of the first epoch of the only lane, trained without dropout; no latency, which varies."""
    for module in fit.module.modules():
        if isinstance(module, _DropoutNd):
            module.p = 0.0
    (report,) = run_fit(fit, ranking, 0, 1, None)
    (metrics,) = report.metrics.values()
    return {name: value for name, value in metrics.items() if name != LATENCY}
