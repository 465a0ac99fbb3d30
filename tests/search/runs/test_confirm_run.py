"""Runs are confirmed on new seeds and on the test split, which no other command reads."""

import json
from dataclasses import replace

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from results.store import open_run, write_confirmed
from search.config.run_config import resolve
from search.core.job import DEFAULT
from search.runs.confirm import confirmation_seeds
from search.runs.folder import locked, read_config
from search.runs.run import Outcome, confirm, start
from search.runs.tables import column_types
from spaces.read import names
from spaces.space import Space
from tests import tiny
from tests.contracts import small
from tests.search.command import invoke
from trainables.training import checkpoint

pytestmark = pytest.mark.slow

SCRIPTED = """\
trainable: tests.trainables.training.test_evaluate:Scripted
data: tests.trainables.training.test_evaluate:Staged
objective: {metric: val_loss, mode: min}
params:
  best: {low: 1.5, high: 2.5}
"""


class Blind(tiny.TinyNet):
    """Logs its objective while it trains."""

    validation_step = L.LightningModule.validation_step

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("val_loss", loss)
        return loss


class Picky(tiny.TinyNet):
    """Raises on the batches of the test split."""

    def validation_step(self, batch, batch_idx):
        if len(batch[0]) == 7:
            raise RuntimeError("no such batch")
        super().validation_step(batch, batch_idx)


class TestableData(tiny.TinyData):
    """With a test split of batches of seven."""

    __test__ = False

    def test_dataloader(self):
        return DataLoader(self.points, batch_size=7)


@pytest.fixture
def loaded_splits(monkeypatch):
    """The splits in the order in which the data modules load them."""
    from trainables.mnist.data import ImageData
    from trainables.slices.sections.sources import VolumeSource
    from trainables.text.data import TextWindows

    splits = []

    def record(cls, name):
        method = getattr(cls, name)

        def recording(self, split, *arguments):
            splits.append(split)
            return method(self, split, *arguments)

        monkeypatch.setattr(cls, name, recording)

    record(ImageData, "split")
    record(VolumeSource, "sections")
    record(TextWindows, "split")
    return splits


def with_small_backbone(space: Space) -> Space:
    if "backbone" in space.settings:
        return replace(space, settings={**space.settings, "backbone": "resnet10t"})
    return space.with_params({"backbone": "resnet10t"})


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_only_confirm_reads_the_test_split(name, tmp_path, loaded_splits):
    sizes = ["trials=2", "epochs=1", "param.batch_size=16"]
    config = resolve([f"space={name}", "engine=local", "name=r", f"storage={tmp_path}", *sizes])
    config = replace(config, space=small(config.space))
    if name.startswith("slice"):
        config = replace(config, space=with_small_backbone(config.space))
    assert start(config) == Outcome(tmp_path / "r")
    assert set(loaded_splits) == {"train", "val"}
    assert confirm(tmp_path / "r", top=1, seeds=1) == Outcome(tmp_path / "r")
    confirmed = open_run(tmp_path / "r").confirmed.to_pylist()
    assert loaded_splits.count("test") == 1 + len(confirmed)  # one batch before, then once per training
    assert all(row["state"] == "complete" for row in confirmed)


@pytest.mark.slow
def test_a_search_of_digits_is_confirmed(tmp_path, capfd):
    from trainables.mnist.data import MnistData

    ran = invoke(
        *["run", "space=mnist_classifier", "name=r", "engine=local", "trials=6", "epochs=3", "seed=1"],
        *["param.widths=32", "confirm.top=2", "confirm.seeds=2", f"storage={tmp_path}"],
    )
    assert ran.exit_code == 0, ran.stderr
    assert "confirming trial" in capfd.readouterr().out
    assert "each trained on 2 new seeds" in ran.stdout
    run = open_run(tmp_path / "r")
    rows = run.confirmed.to_pylist()
    assert {row["config"] for row in rows} >= {"default"}
    assert len(rows) == 2 * len({row["config"] for row in rows})
    assert {row["seed"] for row in rows} == set(confirmation_seeds(1, 2))
    images, labels = MnistData(seed=1).split("test").__getitems__(range(180))
    for config in {row["config"] for row in rows}:
        own = [row for row in rows if row["config"] == config]
        (row,) = [row for row in own if row["checkpoint"]]  # only the best seed's is kept
        assert row["val"] == max(row["val"] for row in own)
        number = DEFAULT if row["trial"] is None else row["trial"]
        weights = checkpoint.weights(run.path / row["checkpoint"], number)
        assert accuracy(weights, images, labels, row) == pytest.approx(row["test"], abs=1e-6)
    files = {str(path.relative_to(run.path)) for path in run.path.glob("checkpoints/confirm/*")}
    assert files == {row["checkpoint"] for row in rows if row["checkpoint"]}
    lines = invoke("show", "r", f"storage={tmp_path}").stdout.splitlines()
    assert len(lines) < 24 and max(map(len, lines[3:])) <= 80  # fits a terminal of 80 x 24
    stopped = [row["trial"] for row in run.trials.to_pylist() if row["epochs"] < 3]
    for config in run.confirmation.configs:
        assert (config.early is not None) == (config.trial in stopped)
    again = invoke("confirm", "r", f"storage={tmp_path}", "--json")
    assert again.exit_code == 0, again.stderr
    assert open_run(run.path).confirmed.equals(run.confirmed)
    shown = json.loads(again.stdout)["confirmed"]
    assert shown["winner"] == run.confirmation.winner
    means = {config["config"]: config["test"]["mean"] for config in shown["configs"]}
    assert shown["winner"] == max(means, key=lambda config: means[config])
    winner = run.winner()
    assert winner["param/lr"] in {row["param/lr"] for row in rows if row["config"] == shown["winner"]}


def accuracy(weights, images, labels, row):
    """The accuracy of a classifier with one hidden layer, rebuilt from its weights alone."""
    from trainables.mnist.classifier import Classifier

    net = Classifier(n_classes=10, image_shape=(1, 8, 8), widths="32", norm=row["param/norm"])
    net.load_state_dict(weights)
    with torch.no_grad():
        return (net.eval()(images).argmax(1) == labels).float().mean().item()


def test_the_search_of_a_foreign_module_is_confirmed(tmp_path):
    """Each training has its best epoch at 2, and its test value is its validation value plus 30."""
    (tmp_path / "s.yaml").write_text(SCRIPTED)
    size = ["trials=4", "epochs=4", "engine=local"]
    start(resolve([f"space={tmp_path}/s.yaml", "name=r", f"storage={tmp_path}", *size]))
    with locked(tmp_path / "r"):
        refused = invoke("confirm", "r", f"storage={tmp_path}")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "is being searched by another process" in refused.stderr
    confirm(tmp_path / "r", top=1, seeds=2)
    run = open_run(tmp_path / "r")
    rows = run.confirmed.to_pylist()
    assert [row["config"] for row in rows[:2]] == [f"trial {run.best()['trial']}", "default"]
    for row in rows:
        assert row["epoch"] == 2
        assert row["test"] == pytest.approx((2 - row["param/best"]) ** 2 + 30)
        assert row["val"] == pytest.approx(row["test"] - 30, abs=1e-5)
    # The default, 2.0, is the optimum, and no trial had it.
    assert run.confirmation.winner == "default"
    assert run.winner()["trial"] is None
    assert run.winner()["param/best"] == 2.0
    shown = invoke("show", tmp_path / "r").stdout
    assert "no trial of the search is better than the default configuration" in shown
    diverged = [
        {"config": row["config"], "trial": row["trial"], "seed": row["seed"], "seconds": 1.0}
        | {"state": "diverged", "error": "diverged in epoch 1", "param/best": row["param/best"]}
        for row in rows
    ]
    write_confirmed(run.path, diverged, column_types(read_config(run).space))
    again = invoke("confirm", "r", "top=1", "seeds=2", f"storage={tmp_path}")
    assert again.exit_code == 1
    assert "there is no winner" in again.stdout
    assert open_run(run.path).winner() == run.best()


def test_the_last_epoch_is_confirmed_where_the_space_picks_it(tmp_path):
    """The best epoch is 2, and the weight of the last one is 4."""
    (tmp_path / "s.yaml").write_text(f"{SCRIPTED}pick: last\n")
    size = ["trials=1", "epochs=4", "engine=local", "confirm.top=1", "confirm.seeds=1"]
    folder = start(resolve([f"space={tmp_path}/s.yaml", "name=r", f"storage={tmp_path}", *size])).folder
    run = open_run(folder)
    for row in run.confirmed.to_pylist():
        assert (row["epoch"], row["test"]) == (4, pytest.approx((4 - row["param/best"]) ** 2 + 30))
        weights = checkpoint.weights(
            folder / row["checkpoint"], DEFAULT if row["trial"] is None else row["trial"]
        )
        assert weights["weight"] == 4
    assert "each trained on 1 new seed (last epoch)" in invoke("show", folder).stdout
    assert invoke("export", folder).exit_code == 0
    card = (folder / "best" / "MODEL_CARD.md").read_text()
    assert "from epoch 4: the last epoch of its training" in card


@pytest.mark.slow
def test_a_configured_confirmation_is_resumed(tmp_path):
    (tmp_path / "s.yaml").write_text(SCRIPTED)
    size = ["trials=4", "epochs=4", "engine=local", "confirm.top=1", "confirm.seeds=2", "lanes=1"]
    folder = start(resolve([f"space={tmp_path}/s.yaml", "name=r", f"storage={tmp_path}", *size])).folder
    rows = open_run(folder).confirmed.to_pylist()
    finished = invoke("resume", folder)
    assert (finished.exit_code, "is finished" in finished.stderr) == (2, True)

    write_confirmed(folder, rows[:1], column_types(read_config(open_run(folder)).space))
    resumed = invoke("resume", folder)
    assert resumed.exit_code == 0, resumed.stderr
    again = open_run(folder).confirmed.to_pylist()
    assert [(row["config"], row["seed"], row["test"]) for row in again] == [
        (row["config"], row["seed"], row["test"]) for row in rows
    ]

    (folder / "results" / "confirm.parquet").unlink()  # interrupted before the first training ended
    assert invoke("resume", folder).exit_code == 0
    assert len(open_run(folder).confirmed) == len(rows)


def test_a_confirmation_without_a_test_split_is_refused_in_one_line(tmp_path):
    (tmp_path / "tiny.yaml").write_text(tiny.SPACE.format(net="TinyNet"))
    ran = invoke("run", f"space={tmp_path}/tiny.yaml", "confirm.top=2", f"storage={tmp_path}/runs")
    assert ran.exit_code == 2
    assert ran.stderr == (
        "error: tests.tiny:TinyData has no test_dataloader, so winners can't be confirmed with it\n"
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("Blind", "Blind has no validation_step"),
        ("Picky", "RuntimeError: no such batch (validation_step"),
    ],
)
def test_a_confirmation_that_would_fail_is_refused_before_it_trains(module, said, tmp_path):
    """Both log their objective in the search, and fail on the test split alone."""
    space = tiny.SPACE.format(net="TinyNet").replace("tests.tiny:", f"{__name__}:")
    (tmp_path / "s.yaml").write_text(space.replace("TinyNet", module).replace("TinyData", "TestableData"))
    size = ["trials=1", "epochs=1", "engine=local", f"storage={tmp_path}/runs"]
    folder = start(resolve([f"space={tmp_path}/s.yaml", *size])).folder
    assert open_run(folder).best() is not None
    refused = invoke("confirm", folder)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1) and said in refused.stderr
    assert open_run(folder).confirmed is None


@pytest.mark.parametrize(("option", "message"), [("top=0", "top is 0"), ("seeds=x", "seeds is 'x'")])
def test_options_are_checked(option, message, tmp_path):
    ran = invoke("confirm", "r", option, f"storage={tmp_path}")
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"error: {message}")
