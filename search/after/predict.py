"""Predicting with what a run has found: one model, or several as an ensemble."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results.store import Run
from search.after.models import loaded, ranked
from trainables import import_path


def predict(run: Run, source: Path, out: Path, top: int, options: Mapping[str, Any]) -> list[str]:
    """Predicts what lies at `source` with the run's `top` best models into the folder `out`.

    Returns what is to be said of it. Raises ValueError for a run without a predictor, an option that it
    does not have, and a source that can't be used.
    """
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise ValueError(f"top is {top!r}, but must be a whole number >= 1 (top=...)")
    path = run.config.get("predictor")
    if path is None:
        raise ValueError(
            f"space {run.config['space']} has no predictor; name one in its space file (predictor: "
            "package.module:Class), or use Lightning's predict (python -m trainables predict --help)"
        )
    predictor = import_path.load(path)
    for name in options:
        if name not in predictor.options:
            has = f"its options are: {', '.join(predictor.options)}" if predictor.options else "it has none"
            raise ValueError(f"{predictor.__name__} has no option {name!r}; {has}")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file, but results go into a folder (--out FOLDER)")
    found = ranked(run)
    if len(found) < top:
        raise ValueError(
            f"top is {top}, but run {run.name} keeps the checkpoints of {len(found)} models (top=...)"
        )
    built = [loaded(model) for model in found[:top]]
    out.mkdir(parents=True, exist_ok=True)
    data = built[0][1]
    said = predictor([module for module, _ in built], data).predict(
        source, out, {**predictor.options, **options}
    )
    return [
        f"with {', '.join(model.name for model in found[:top])} of {run.name}",
        *said,
        f"written to {out}",
    ]
