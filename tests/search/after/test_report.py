"""The pictures of the report, from the galleries of spaces."""

import re
from dataclasses import replace

from results import open_run
from results.picture import Picture
from search.after.report import pictures
from search.config.run_config import resolve
from search.runs.run import start
from tests.results.made import make_run


def test_an_error_of_a_gallery_becomes_a_line(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 4)
    config = resolve([f"space={tmp_path}/learning.yaml"])
    assert pictures(run, config) == ([], "")
    config = replace(config, space=replace(config.space, gallery="tests.search.after.test_report:broken"))
    monkeypatch.setattr("search.after.models.best_model", lambda run: None)
    monkeypatch.setattr("search.after.models.load", lambda model: (None, None))
    assert pictures(run, config) == ([], "RuntimeError: it broke here")
    config = replace(config, space=replace(config.space, gallery="tests.search.after.test_report:fine"))
    assert [picture.title for picture in pictures(run, config)[0]] == ["A table."]


def broken(module, data):
    raise RuntimeError("it broke\nhere")


def fine(module, data):
    return [Picture("A table.", "It is empty.", html="<table></table>")]


def test_galleries_show_pictures_of_real_models(tmp_path):
    from PIL import Image

    for space, titles, more in (
        ("mnist_classifier", ["Confusion matrix.", "Worst mistakes."], []),
        ("mnist_autoencoder", ["Worst reconstructions.", "Best reconstructions."], []),
        (
            "slice_reg",
            ["Largest errors.", "Smallest errors."],
            [
                "data.image_size=32",
                "data.train=32",
                "data.val=16",
                "backbone=resnet10t",
                "param.batch_size=16",
            ],
        ),
    ):
        size = ["trials=1", "epochs=1", "engine=local", "name=r", f"storage={tmp_path / space}"]
        config = resolve([f"space={space}", *size, *more])
        run = open_run(start(config).folder)
        images, missing = pictures(run, config)
        assert missing == "" and [picture.title for picture in images] == titles
        for number, picture in enumerate(images):
            assert bool(picture.png) != bool(picture.html)
            if picture.png:
                (tmp_path / f"{number}.png").write_bytes(picture.png)
                image = Image.open(tmp_path / f"{number}.png")
                assert image.width > 300 and len(set(image.convert("L").get_flattened_data())) > 10


def test_the_confusion_matrix_counts_each_image_once():
    import torch

    from trainables.mnist.gallery import confusion

    html = confusion(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 1]), 2)
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html)
    assert cells == ["<b>1</b>", "1", "·", "<b>2</b>"]
