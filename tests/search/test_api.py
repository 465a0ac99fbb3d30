"""`search.run` and its relatives: from a script, from a notebook, from a thread."""

import subprocess
import sys
import textwrap
import threading

import pytest

import search
from search.config.run_config import CONFIG_FILE
from tests.tiny import TinyData, TinyNet
from trainables import given
from trainables.pytorch_lightning import came_first

PARAMS = {"lr": search.Range(1e-3, 1e-1, log=True)}
CELLS = """\
import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import search


class Line(L.LightningModule):
    def __init__(self, width, lr):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, width), nn.Linear(width, 1))
        self.lr = lr

    def loss(self, batch):
        return nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def training_step(self, batch, index):
        return self.loss(batch)

    def validation_step(self, batch, index):
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)

    def loader(self):
        x = torch.linspace(-1, 1, 64).reshape(32, 2)
        return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), 8)

    train_dataloader = val_dataloader = test_dataloader = loader


def build(width, lr):
    return Line(width, lr)


params = {"width": [4, 8], "lr": search.Range(1e-3, 1e-1, log=True)}
"""


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class WithTest(TinyData):
    """With a test split."""

    def test_dataloader(self):
        return self.train_dataloader()


def tiny_run(**more):
    keys = {"trials": 3, "epochs": 3, "grace": 1, "engine": "local", "name": "first"}
    data = more.pop("data", TinyData)
    return search.run(TinyNet, data, params=PARAMS, objective="val_loss", **{**keys, **more})


def test_a_run_has_its_trials_its_best_and_its_model(in_folder):
    run = tiny_run()
    assert run.status == "finished"
    assert run.folder == in_folder / "runs" / "first"
    assert run.trials.num_rows == 3
    best = min(run.trials.to_pylist(), key=lambda row: row["objective"])
    assert (run.best.trial, run.best.value) == (best["trial"], best["objective"])
    assert run.best.params == {"lr": best["param/lr"]}
    assert isinstance(run.load(), TinyNet)
    assert not run.load().training
    assert run.report().read_text().count("search.run(TinyNet, TinyData, params=")


def test_what_can_be_imported_is_resumed_from_the_command_line(in_folder):
    run = tiny_run()
    assert "trainable: tests.tiny:TinyNet" in (run.folder / "config.yaml").read_text()
    assert not (run.folder / "source.py").exists()
    assert search.open("first").best == run.best
    with pytest.raises(ValueError, match="is finished"):
        search.resume("first")


def test_a_space_file_is_searched_with_the_keys_of_the_command_line(in_folder):
    (in_folder / "space.yaml").write_text(
        "trainable: tests.tiny:TinyNet\ndata: tests.search.test_api:WithTest\n"
        "objective: {metric: val_loss, mode: min}\nparams: {lr: {low: 1e-3, high: 1e-1}}\n"
    )
    run = search.run(
        "space.yaml", trials=2, epochs=1, engine="local", name="r", confirm_top=1, **{"param.lr": 0.01}
    )
    assert run.best.params == {"lr": 0.01}
    assert run.confirmation is not None


def test_confirm_scores_the_best_on_the_test_split(in_folder):
    confirmed = search.confirm(tiny_run(trials=1, epochs=1, data=WithTest), top=1, seeds=2).confirmation
    assert confirmed is not None
    assert confirmed.seeds == 2


def test_a_trial_with_own_values_is_added(in_folder):
    run = tiny_run(trials=2)
    tried = search.try_(run, lr=0.0123)
    assert (tried, run.status) == (run, "finished")
    own = run.trials.to_pylist()[-1]
    assert (own["param/lr"], own["state"], own["epochs"]) == (0.0123, "complete", 3)
    with pytest.raises(ValueError, match=r"trial 2 of .* has this configuration"):
        search.try_("first", lr=0.0123)
    with pytest.raises(ValueError, match="there is no parameter 'rl' in the run"):
        search.try_("first", rl=0.1)


def test_a_run_outside_the_main_thread(in_folder):
    runs = []
    thread = threading.Thread(target=lambda: runs.append(tiny_run(trials=1, epochs=1)))
    thread.start()
    thread.join()
    assert [run.status for run in runs] == ["finished"]


@pytest.mark.slow
def test_a_script_searches_its_own_class_on_ray_and_goes_on_with_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        CELLS
        + textwrap.dedent("""\
        if __name__ == "__main__":
            run = search.run(build, params=params, objective="val_loss", trials=3, epochs=3, name="r")
            print("RESULT", run, run.best.trial)
        """)
    )
    ran = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "RESULT r: finished, 3 trials" in ran.stdout
    assert "Trainable.setup" not in ran.stdout + ran.stderr
    assert (tmp_path / "runs" / "r" / "source.py").read_text().startswith("def build(width, lr):")
    command = [sys.executable, "-m", "search", "export", "r"]
    there = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert there.returncode == 2
    assert there.stderr.startswith("error: 'build' was an object of a Python program, which is needed again")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TinyNet, TinyData), "params is missing"),
        (("slice_reg", TinyData), "data is <class .*says it"),
        ((TinyNet, 3), "data is 3, but must be a class"),
    ],
)
def test_mistaken_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        search.run(*arguments)


def test_a_class_of_the_earlier_lightning_is_told_what_to_do(in_folder):
    base = type("LightningModule", (TinyNet,), {"__module__": "pytorch_lightning.core.module"})
    net = type("Net", (base,), {})
    with pytest.raises(ValueError, match="Net has a base class of pytorch_lightning"):
        search.run(net, TinyData, params=PARAMS, objective="val_loss")
    assert not (in_folder / "runs").exists()
    made = type("LightningModule", (), {"__module__": "pytorch_lightning"})
    assert "put `import search` above `import pytorch_lightning`" in came_first(made())


def test_a_program_that_imports_the_earlier_lightning_after_search_gets_the_later_one(in_folder):
    script = "import search, pytorch_lightning as pl; print(pl.LightningModule.__module__)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "lightning.pytorch.core.module\n"


def test_a_key_that_does_not_exist_is_named(in_folder):
    with pytest.raises(ValueError, match="there is no key 'trails' in space tinynet; did you mean 'trials'"):
        tiny_run(trails=3)
    assert not (in_folder / "runs").exists()


def test_a_function_that_makes_no_module_fails_in_one_line(in_folder):
    def build(lr):
        return {"lr": lr}

    of_run = {"objective": "val_loss", "trials": 1, "epochs": 1, "engine": "local", "name": "r"}
    with pytest.raises(ValueError, match=r"^object:build makes a dict, but must make a LightningModule$"):
        search.run(build, TinyData, params=PARAMS, **of_run)
    (error,) = search.open("r").trials["error"].to_pylist()
    assert error == "SpaceError: object:build makes a dict, but must make a LightningModule"


def test_an_object_is_needed_again_in_another_process(in_folder):
    class Local(TinyNet):
        pass

    run = search.run(
        Local, TinyData, params=PARAMS, objective="val_loss", trials=1, epochs=1, engine="local", name="r"
    )
    del given.OBJECTS["object:Local"]
    with pytest.raises(ValueError, match="'Local' was an object of a Python program"):
        run.load()
    assert isinstance(search.open("r", Local).load(), Local)


def test_all_keys_are_listed():
    keys = search.api.keys()
    assert keys["trials"].startswith("null # number of configurations")
    assert "confirm_top" in keys
    assert len(keys) == sum(
        line[:1].isalpha() and not line.startswith("budgets") for line in CONFIG_FILE.read_text().splitlines()
    )
