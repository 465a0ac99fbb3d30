"""Prediction with the models of a run: the best one, or several as an ensemble."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results.store import Run
from search.after.models import load, ranked_models
from spaces.validation import PositiveInt, check_value
from trainables import import_path


def predict(run: Run, source: Path, out: Path, top: int, options: Mapping[str, Any]) -> list[str]:
    """Predicts the files at `source` with the `top` best models of the run; writes into the folder `out`.

    Returns lines for the screen. Raises ValueError if the space has no predictor, the predictor lacks an
    option, `out` is a file, the run keeps fewer than `top` models, or the source cannot be used.
    """
    check_value(PositiveInt, "top", top)
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
    models = ranked_models(run)
    if len(models) < top:
        raise ValueError(
            f"top is {top}, but run {run.name} keeps the checkpoints of {len(models)} models (top=...)"
        )
    loaded = [load(model) for model in models[:top]]
    ensemble = predictor([module for module, _ in loaded], loaded[0][1])
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        lines = ensemble.predict(source, out, {**predictor.options, **options})
    except ValueError:  # the source does not fit the models
        if made and not any(out.iterdir()):
            out.rmdir()
        raise
    return [
        f"with {', '.join(model.name for model in models[:top])} of {run.name}",
        *lines,
        f"written to {out}",
    ]
