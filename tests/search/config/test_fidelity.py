"""Fidelity: lower rungs train on smaller images."""

from dataclasses import replace

import pytest

from results.store import open_run
from search.after.export import export
from search.after.models import best_model, searched_model
from search.config.fidelity import parse_fidelity, rung_options, smaller
from search.config.run_config import resolve
from search.engines.train_job import TrainJob
from search.runs.folder import read_config
from search.runs.run import start
from search.runs.warm_start import warm_start


def test_each_rung_has_half_the_pixels_of_the_next():
    options = {"image_size": 299}
    assert rung_options(["epochs", "image_size"], (3, 9, 27, 81), options) == (
        {"image_size": 112},
        {"image_size": 144},
        {"image_size": 208},
        {"image_size": 299},
    )
    assert rung_options(["epochs"], (1, 3), options) == ({}, {})


def test_sizes_stay_within_bounds():
    assert [smaller(64, below) for below in range(4)] == [64, 48, 32, 32]
    assert smaller(24, 2) == 24


@pytest.mark.parametrize(
    "wrong", [["image_size"], ["epochs", "source"], ["epochs", "depth"], "image_size", []]
)
def test_mistakes_in_fidelity(wrong):
    with pytest.raises(ValueError, match=r"fidelity is .* must be \[epochs\] or \[epochs,SIZE\]"):
        parse_fidelity(wrong, {"image_size": 64, "source": "phantom"})


@pytest.mark.slow
def test_a_search_climbs_from_small_images_to_large_ones(tmp_path):
    small = [
        "data.train=32",
        "data.val=16",
        "backbone=resnet10t",
        "param.batch_size=16",
        "data.image_size=48",
    ]
    ladder = ["trials=3", "epochs=2", "eta=2", "engine=local", f"storage={tmp_path}", "name=f"]
    config = resolve(["space=slice_reg", "fidelity=[epochs,image_size]", *small, *ladder])
    assert TrainJob.of(config, tmp_path).rung_options == ({"image_size": 32}, {"image_size": 48})
    grown = replace(config, epochs=8, grown_from=(2,))  # rungs at epochs 1, 2, 4 and 8
    assert [sizes["image_size"] for sizes in grown.rung_options] == [32, 48, 48, 48]
    run = open_run(start(config).folder)
    assert run.status == "finished"
    assert max(run.trials["epochs"].to_pylist()) == 2

    # A trial that was stopped on the first rung was trained and scored on small images.
    row = next(row for row in run.trials.to_pylist() if row["epochs"] == 1)
    assert searched_model(config, row, tmp_path).setup.options["image_size"] == 32
    model = best_model(run)
    assert model.setup.options["image_size"] == {1: 32, 2: 48}[model.epoch]
    written = export(run, onnx=False)
    assert f"| image_size | {model.setup.options['image_size']} |" in (written / "MODEL_CARD.md").read_text()
    assert "its curve differs" in (written / "config.yaml").read_text()

    # Values on small images are not comparable with values on large ones.
    same = read_config(run)
    assert warm_start(run, same).difference is None
    assert warm_start(run, replace(same, fidelity=("epochs",))).difference == "fidelity"
