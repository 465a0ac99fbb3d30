"""Recording of learning curves at its smallest size, and the metrics of both splits."""

import warnings
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import record_curves
from benchmarks.recorded import read_recorded
from benchmarks.with_test import with_test
from search.config.run_config import RunConfig, resolve
from search.engines.train_job import training_setup
from search.runs.preflight import prepare
from spaces.lane import Lane
from trainables.training.build import build
from trainables.training.fits import make_fits
from trainables.training.run_fit import run_fit
from trainables.training.setup import Setup

TINY = ["epochs=2", "param.widths=[32]", "param.norm=[none,batch]", "param.batch_size=[128]"]
SPACES = {
    "mnist_classifier": ("accuracy", []),
    "mnist_autoencoder": ("rmse", []),
    "slice_reg": (
        "distance_um",
        ["backbone=resnet10t", "data.image_size=32", "data.train=16", "data.val=12", "data.test=20"],
    ),
}


def prepared(*overrides: str) -> RunConfig:
    config, _ = prepare(resolve(list(overrides)))
    return config


def with_both_splits(setup: dict[str, Any]) -> dict[str, Any]:
    return setup | {key: with_test(setup[key]) for key in ("trainable", "data")}


def read(file: Path) -> list[dict[str, Any]]:
    return pq.read_table(file).to_pylist()


def test_curves_are_those_of_ordinary_training(tmp_path: Path) -> None:
    file = tmp_path / "some.parquet"
    command = ["space=mnist_classifier", "trials=5", *TINY]
    record_curves.main([str(file), *command])
    rows, config = read(file), prepared(*command)
    assert all(seconds > 0 for row in rows for seconds in row["seconds"])
    for lanes in record_curves.packs(config, ()):
        (fit,), _ = make_fits(Setup(**training_setup(config)), lanes, tmp_path)
        for report in run_fit(fit, ("val/accuracy",), 0, 2, None):
            for number, metrics in report.metrics.items():
                recorded = rows[number]["val"][report.epoch - 1]
                assert recorded == pytest.approx(metrics["val/accuracy"], rel=1e-6)
    task = read_recorded(file)
    assert task.table.curves.tolist() == [row["val"] for row in rows]
    assert task.space.structure == config.space.structure


def test_recording_continues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "some.parquet"
    command = [str(file), "space=mnist_classifier", *TINY]
    record_curves.main([*command, "trials=2"])
    first = read(file)
    record_curves.main([*command, "trials=5"])
    rows = read(file)
    assert rows[:2] == first
    configurations = {
        lane.number: lane.params for pack in packs_of(*command[1:], "trials=5") for lane in pack
    }
    assert [row["number"] for row in rows] == sorted(configurations) == [0, 1, 2, 3, 4]
    assert all(configurations[row["number"]].items() <= row.items() for row in rows)
    capsys.readouterr()
    record_curves.main([*command, "trials=5"])
    assert (capsys.readouterr().out, read(file)) == ("", rows)  # nothing is left
    with pytest.raises(ValueError, match="is a recording of another space or other settings"):
        record_curves.main([*command, "trials=5", "seed=1"])


def packs_of(*overrides: str) -> list[list[Lane]]:
    return list(record_curves.packs(prepared(*overrides), ()))


def test_divergence(tmp_path: Path) -> None:
    config = prepared("space=mnist_classifier", *TINY)
    setup = Setup(**with_both_splits(training_setup(config)))
    good, bad = config.space.default(), {**config.space.default(), "lr": 1e38}
    rows = record_curves.record(setup, [Lane(0, good, 0), Lane(1, bad, 0)], tmp_path)
    assert np.isfinite([rows[0][name] for name in ("val", "test", "seconds")]).all()
    assert np.isnan([rows[1]["val"], rows[1]["test"]]).all()
    assert np.isfinite(rows[1]["seconds"]).tolist() == [True, False]


@pytest.mark.parametrize("name", SPACES)
def test_metrics_are_those_of_the_ordinary_learner(name: str) -> None:
    """Untrained models with the same weights: validation and test in one pass, and one after the other."""
    metric, overrides = SPACES[name]
    setup = training_setup(prepared(f"space={name}", "epochs=1", *overrides))
    lane = Lane(0, resolve([f"space={name}"]).space.default(), seed=3)
    trainer = L.Trainer(logger=False, enable_progress_bar=False, enable_model_summary=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, data = build(Setup(**setup), lane)
        (val,) = trainer.validate(module, data, verbose=False)
        (test,) = trainer.test(module, data, verbose=False)
        (measured,) = trainer.validate(*build(Setup(**with_both_splits(setup)), lane), verbose=False)
    assert val[f"val/{metric}"] != pytest.approx(test[f"test/{metric}"], rel=1e-3)
    assert measured[f"val/{metric}"] == pytest.approx(val[f"val/{metric}"], rel=1e-5)
    assert measured[f"val/test_{metric}"] == pytest.approx(test[f"test/{metric}"], rel=1e-5)


def test_other_learners_are_refused() -> None:
    with pytest.raises(ValueError, match="Probe has no counterpart that measures the test split"):
        with_test("trainables.mnist.probe:Probe")
