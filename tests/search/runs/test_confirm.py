"""Winners are confirmed on fresh seeds and the test split, which nothing else opens."""

import io
import json
from dataclasses import replace

import pyarrow as pa
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from results.stats import confirmation
from results.store import open_run, write_confirmed
from search.cli.commands import app
from search.cli.tables import conclusions
from search.config.run_config import resolve
from search.core.job import DEFAULT, State, Trial, trial_seed
from search.engines.local import LocalEngine
from search.runs.confirm import ConfirmPlan, ConfirmQueue, candidates, confirmation_seeds, jobs
from search.runs.folder import locked, read_config
from search.runs.run import Outcome, confirm, start
from search.runs.tables import column_types
from search.watch.progress import ProgressView
from spaces.read import names
from spaces.space import Space
from tests.contracts import small
from tests.formula import Formula
from tests.search.cli.test_cli import SMALL, TINY_SPACE, search
from trainables.training import checkpoint


def trial(number, x, kind, *values, state=State.STOPPED):
    return Trial(number, {"x": x, "kind": kind}, state, values)


def test_the_best_trials_and_the_default_are_candidates(formula_space):
    """The default of the space is x=0.5, kind=a."""
    trials = [
        trial(0, 0.1, "a", 0.9, 0.4),
        trial(1, 0.2, "a", 0.3),
        trial(2, 0.2, "a", 0.31),  # the same again
        trial(3, 0.4, "b", 0.35),
        trial(4, 0.6, "b", 0.1, state=State.DIVERGED),
        trial(5, 0.7, "b", state=State.FAILED),
    ]
    found = candidates(trials, formula_space, top=2)
    assert [(c.config, c.number) for c in found] == [("trial 1", 1), ("trial 3", 3), ("default", DEFAULT)]
    assert found[2].params == {"x": 0.5, "kind": "a"}
    tried = [*trials, trial(6, 0.5, "a", 0.8)]
    assert [(c.config, c.number) for c in candidates(tried, formula_space, top=1)] == [
        ("trial 1", 1),
        ("default", 6),
    ]
    best = [*trials, trial(6, 0.5, "a", 0.2)]
    assert [c.config for c in candidates(best, formula_space, top=2)] == ["default", "trial 1"]
    upward = replace(formula_space, objective=replace(formula_space.objective, mode="max"))
    assert [c.config for c in candidates(trials, upward, top=2)][:2] == ["trial 0", "trial 3"]
    with pytest.raises(ValueError, match="no trial has a value"):
        candidates(trials[4:], formula_space, top=2)


def test_seeds_are_fresh_and_the_same_each_time():
    fresh = confirmation_seeds(0, 5)
    assert fresh == confirmation_seeds(0, 5)
    assert fresh[:3] == confirmation_seeds(0, 3)
    assert (
        len(set(fresh) | set(confirmation_seeds(1, 5)) | {0, 1} | {trial_seed(0, n) for n in range(1000)})
        == 1012
    )


@pytest.fixture
def plan(formula_space):
    trials = [trial(n, 0.1 * n, "ab"[n % 2], 0.1 * n) for n in range(1, 5)]
    return ConfirmPlan(candidates(trials, formula_space, top=4), confirmation_seeds(0, 2), epochs=3)


def test_a_job_is_a_seed_of_configurations_that_are_alike(plan):
    packs = jobs(plan, ["kind"], done=set())
    assert [[lane.number for lane in job.lanes] for job in packs] == [[1, 3], [2, 4, DEFAULT]] * 2
    assert [job.confirm_seed for job in packs] == [seed for seed in plan.seeds for _ in range(2)]
    assert all({lane.seed for lane in job.lanes} == {job.confirm_seed} for job in packs)
    assert all((job.first, job.last) == (0, 3) for job in packs)
    assert len({job.number for job in packs}) == 4
    assert [len(job.lanes) for job in jobs(replace(plan, lanes=1), ["kind"], set())] == [1] * 10
    busy = jobs(replace(plan, workers=8), ["kind"], set())
    assert max(len(job.lanes) for job in busy) == 2  # 10 trainings, 8 workers
    done = {("trial 1", plan.seeds[0]), ("trial 3", plan.seeds[0]), ("default", plan.seeds[1])}
    left = jobs(plan, ["kind"], done)
    assert [[lane.number for lane in job.lanes] for job in left] == [[2, 4, DEFAULT], [1, 3], [2, 4]]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text("{}")
    return tmp_path


def make(plan, space, folder, terminal=False):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    return ConfirmQueue(plan, space, folder, ProgressView(console, "a run", workers=1)), out


class Counted:
    """A formula that says which trainings it was asked for, and is interrupted after so many jobs."""

    def __init__(self, formula, interrupt_after=99):
        self.formula, self.left, self.asked = formula, interrupt_after, []

    def __call__(self, job):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.asked += [(lane.number, lane.seed) for lane in job.lanes]
        yield from self.formula(job)


def test_what_is_confirmed_is_not_trained_again(plan, formula_space, folder):
    first, rest, nothing = Counted(Formula(), interrupt_after=3), Counted(Formula()), Counted(Formula())
    with pytest.raises(KeyboardInterrupt):
        LocalEngine(first).run(make(plan, formula_space, folder)[0])
    assert open_run(folder).confirmed.num_rows == 7
    LocalEngine(rest).run(make(plan, formula_space, folder)[0])
    everything = [(c.number, seed) for seed in plan.seeds for c in plan.candidates]
    assert sorted(first.asked + rest.asked) == sorted(everything)
    assert open_run(folder).confirmed.num_rows == 10
    LocalEngine(nothing).run(make(plan, formula_space, folder)[0])
    assert not nothing.asked
    more = Counted(Formula())
    LocalEngine(more).run(make(replace(plan, seeds=confirmation_seeds(0, 3)), formula_space, folder)[0])
    assert {seed for _, seed in more.asked} == {confirmation_seeds(0, 3)[2]}
    assert open_run(folder).confirmed.num_rows == 15


def test_what_goes_wrong_is_said(plan, formula_space, folder):
    """x is 0.1 for trial 1 up to 0.4 for trial 4, and 0.5 for the default."""
    queue, out = make(plan, formula_space, folder)
    LocalEngine(Formula(diverges=0.45, raises=0.35)).run(queue)
    rows = {(row["config"], row["seed"]): row for row in open_run(folder).confirmed.to_pylist()}
    states = {config: {rows[config, seed]["state"] for seed in plan.seeds} for config, _ in rows}
    # The pack of trial 2, trial 4 and the default broke off, and each of them was tried again alone.
    assert states == {
        "trial 1": {"complete"},
        "trial 2": {"complete"},
        "trial 3": {"complete"},
        "trial 4": {"failed"},
        "default": {"failed"},
    }
    assert rows["trial 4", plan.seeds[0]]["error"] == "RuntimeError: x is too large for this formula"
    assert "trial 4, seed 1 of 2: RuntimeError: x is too large for this formula" in out.getvalue()
    again = Counted(Formula(diverges=0.45))
    queue, out = make(plan, formula_space, folder)
    LocalEngine(again).run(queue)
    assert {number for number, _ in again.asked} == {4, DEFAULT}  # what failed is tried again
    rows = {(row["config"], row["seed"]): row for row in open_run(folder).confirmed.to_pylist()}
    row = rows["default", plan.seeds[0]]
    assert (row["state"], row["test"], row["checkpoint"]) == ("diverged", None, None)
    assert row["error"] == "diverged in epoch 1"
    assert "default, seed 1 of 2: diverged in epoch 1" in out.getvalue()
    queue, _ = make(plan, formula_space, folder)
    assert not queue.waiting  # what diverged would again


def test_the_progress_is_shown(plan, formula_space, folder, monkeypatch):
    monkeypatch.setattr("search.watch.progress.REFRESH", -1.0)
    queue, out = make(plan, formula_space, folder, terminal=True)
    with queue.view:
        LocalEngine(Formula()).run(queue)
    shown = out.getvalue()
    assert "5 of 10 trainings" in shown
    assert "15 of about 30" in shown
    assert "1 of 1 busy: trials 2, 4, default epochs 0-3" in shown
    assert "trial 1, seed 2 of 2: val/f" in shown


@pytest.fixture
def spied(monkeypatch):
    """The splits that are loaded, as they are loaded."""
    from trainables.mnist.data import MnistData
    from trainables.slices.sections.sources import VolumeSource

    opened = []

    def spy(cls, name):
        method = getattr(cls, name)

        def wrapped(self, split, *arguments):
            opened.append(split)
            return method(self, split, *arguments)

        monkeypatch.setattr(cls, name, wrapped)

    spy(MnistData, "split")
    spy(VolumeSource, "sections")
    return opened


def with_backbone(space: Space) -> Space:
    """The space with a small network."""
    if "backbone" in space.settings:
        return replace(space, settings={**space.settings, "backbone": "resnet10t"})
    return space.with_params({"backbone": "resnet10t"})


@pytest.mark.parametrize("name", names())
def test_only_confirm_opens_the_test_split(name, tmp_path, spied):
    sizes = ["trials=2", "epochs=1", "param.batch_size=16", *SMALL.get(name, [])]
    config = resolve([f"space={name}", "engine=local", "name=r", f"storage={tmp_path}", *sizes[:3]])
    if name.startswith("slice"):
        config = replace(config, space=with_backbone(small(config.space)))
    assert start(config) == Outcome(tmp_path / "r")
    assert set(spied) == {"train", "val"}
    assert confirm(tmp_path / "r", top=1, seeds=1) == Outcome(tmp_path / "r")
    confirmed = open_run(tmp_path / "r").confirmed.to_pylist()
    assert spied.count("test") == len(confirmed)  # once each
    assert all(row["state"] == "complete" for row in confirmed)


def test_a_search_of_digits_is_confirmed(tmp_path):
    from trainables.mnist.data import MnistData

    ran = search(
        *["run", "space=mnist_classifier", "name=r", "engine=local", "trials=6", "epochs=3", "seed=1"],
        *["param.widths=32", "confirm.top=2", "confirm.seeds=2", f"storage={tmp_path}"],
    )
    assert ran.returncode == 0, ran.stderr
    assert "confirming trial" in ran.stdout
    assert "each trained on 2 fresh seeds" in ran.stdout
    run = open_run(tmp_path / "r")
    rows = run.confirmed.to_pylist()
    assert {row["config"] for row in rows} >= {"default"}
    assert len(rows) == 2 * len({row["config"] for row in rows})
    assert {row["seed"] for row in rows} == set(confirmation_seeds(1, 2))
    images, labels = MnistData(seed=1).split("test").__getitems__(range(180))
    for config in {row["config"] for row in rows}:
        own = [row for row in rows if row["config"] == config]
        (row,) = [row for row in own if row["checkpoint"]]  # its best seed alone is kept
        assert row["val"] == max(row["val"] for row in own)
        number = DEFAULT if row["trial"] is None else row["trial"]
        weights = checkpoint.weights(run.path / row["checkpoint"], number)
        assert accuracy(weights, images, labels, row) == pytest.approx(row["test"], abs=1e-6)
    files = {str(path.relative_to(run.path)) for path in run.path.glob("checkpoints/confirm/*")}
    assert files == {row["checkpoint"] for row in rows if row["checkpoint"]}
    lines = search("show", "r", f"storage={tmp_path}").stdout.splitlines()
    assert len(lines) < 24 and max(map(len, lines[3:])) <= 80  # a screenful
    stopped = [row["trial"] for row in run.trials.to_pylist() if row["epochs"] < 3]
    for config in run.confirmation().configs:
        assert (config.early is not None) == (config.trial in stopped)
    again = search("confirm", "r", f"storage={tmp_path}", "--json")
    assert again.returncode == 0, again.stderr
    assert open_run(run.path).confirmed.equals(run.confirmed)
    shown = json.loads(again.stdout)["confirmed"]
    assert shown["winner"] == run.confirmation().winner
    means = {config["config"]: config["test"]["mean"] for config in shown["configs"]}
    assert shown["winner"] == max(means, key=lambda config: means[config])
    won = run.winner()
    assert won["param/lr"] in {row["param/lr"] for row in rows if row["config"] == shown["winner"]}


def accuracy(weights, images, labels, row):
    """Of a network of one hidden layer, from its weights alone."""
    from trainables.mnist.classifier import Classifier

    net = Classifier(n_classes=10, image_shape=(1, 8, 8), widths="32", norm=row["param/norm"])
    net.load_state_dict(weights)
    with torch.no_grad():
        return (net.eval()(images).argmax(1) == labels).float().mean().item()


SCRIPTED = """\
trainable: tests.trainables.training.test_evaluate:Scripted
data: tests.trainables.training.test_evaluate:Staged
objective: {metric: val_loss, mode: min}
params:
  best: {low: 1.5, high: 2.5}
"""


def invoke(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_search_of_a_foreign_module_is_confirmed(tmp_path):
    """Each of its trainings has its best epoch at 2, and its test is 30 worse than its validation."""
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
    # The default, 2.0, is the best that there can be, and it was no trial.
    assert run.confirmation().winner == "default"
    assert run.winner()["trial"] is None
    assert run.winner()["param/best"] == 2.0
    shown = invoke("show", tmp_path / "r").stdout
    assert "nothing that the search found is better than the default configuration" in shown
    lost = [
        {"config": row["config"], "trial": row["trial"], "seed": row["seed"], "seconds": 1.0}
        | {"state": "diverged", "error": "diverged in epoch 1"}
        for row in rows
    ]
    write_confirmed(run.path, lost, {})
    again = invoke("confirm", "r", "top=1", "seeds=2", f"storage={tmp_path}")
    assert again.exit_code == 1
    assert "there is no winner" in again.stdout
    assert open_run(run.path).winner() == run.best()


def test_a_confirmation_that_was_to_follow_the_search_is_resumed(tmp_path):
    (tmp_path / "s.yaml").write_text(SCRIPTED)
    size = ["trials=4", "epochs=4", "engine=local", "confirm.top=1", "confirm.seeds=2", "lanes=1"]
    folder = start(resolve([f"space={tmp_path}/s.yaml", "name=r", f"storage={tmp_path}", *size])).folder
    whole = open_run(folder).confirmed.to_pylist()
    finished = invoke("resume", folder)
    assert (finished.exit_code, "is finished" in finished.stderr) == (2, True)

    write_confirmed(folder, whole[:1], column_types(read_config(open_run(folder)).space))
    resumed = invoke("resume", folder)
    assert resumed.exit_code == 0, resumed.stderr
    again = open_run(folder).confirmed.to_pylist()
    assert [(row["config"], row["seed"], row["test"]) for row in again] == [
        (row["config"], row["seed"], row["test"]) for row in whole
    ]

    (folder / "results" / "confirm.parquet").unlink()  # broken off before its first training ended
    assert invoke("resume", folder).exit_code == 0
    assert len(open_run(folder).confirmed) == len(whole)


def test_the_conclusions_say_how_sure_they_are():
    def said(**scores):
        rows = [
            {
                "config": config.replace("_", " "),
                "trial": None,
                "seed": seed,
                "val": x,
                "test": x,
                "error": None,
            }
            for config, tests in scores.items()
            for seed, x in enumerate(tests)
        ]
        return " | ".join(conclusions(confirmation(pa.Table.from_pylist(rows), "max", {})))

    assert "can't be told apart" in said(trial_1=[0.90, 0.92, 0.94], trial_2=[0.89, 0.90, 0.93])
    assert "can't be told apart" not in said(trial_1=[0.90, 0.92, 0.94], trial_2=[0.80, 0.82, 0.841])
    assert "with one seed nothing can be said" in said(trial_1=[0.9], trial_2=[0.8])
    assert "better than the default by 0.1" in said(trial_1=[0.9], trial_2=[0.85], default=[0.8])


def test_what_can_not_be_confirmed_is_one_line(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY_SPACE.format(net="TinyNet"))
    ran = invoke("run", f"space={tmp_path}/tiny.yaml", "confirm.top=2", f"storage={tmp_path}/runs")
    assert ran.exit_code == 2
    assert ran.stderr == (
        "error: tests.tiny:TinyData has no test_dataloader, so winners can't be confirmed with it\n"
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("given", "message"), [("top=0", "top is 0"), ("seeds=x", "seeds is 'x'")])
def test_sizes_are_checked(given, message, tmp_path):
    ran = invoke("confirm", "r", given, f"storage={tmp_path}")
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"error: {message}")
