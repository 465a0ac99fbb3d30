"""The tests that every engine, every space and every trainable passes. A new one joins with one fixture."""

import io
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console

from results.store import open_run
from search.config.run_config import SAMPLERS, from_plain, resolve
from search.core.job import State, StorageError
from search.core.samplers.all import Observation, propose
from search.runs.confirm import ConfirmPlan, ConfirmQueue, candidates, confirmation_seeds
from search.runs.run import prepared, setup
from search.watch.progress import ProgressView
from spaces.read import read
from spaces.space import Space
from tests.formula import Formula
from trainables import import_path
from trainables.training.train import Lane, Setup, build, train


class EngineContract:
    """An engine runs a queue dry. Subclasses give the fixture `engine`: from a `train` to an engine."""

    def test_runs_the_queue_dry(self, engine, make_queue):
        queue = make_queue(trials=12, epochs=9)
        engine(Formula()).run(queue)
        assert not queue.jobs
        assert len(queue.trials) == 12
        assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE, State.STOPPED}
        for trial in queue.trials.values():
            for value, epoch in zip(trial.values, queue.plan.rungs, strict=False):
                assert value == pytest.approx((trial.params["x"] - 0.3) ** 2 + 1 / epoch)
        assert all(trial.node == "here" for trial in queue.trials.values())

    def test_a_job_that_raises_fails_its_trials_only(self, engine, make_queue):
        queue = make_queue(trials=12, epochs=3)
        engine(Formula(raises=0.7)).run(queue)
        failed = [trial for trial in queue.trials.values() if trial.params["x"] >= 0.7]
        assert failed
        assert len(queue.trials) == 12
        for trial in queue.trials.values():
            assert (trial.state is State.FAILED) == (trial in failed)
        assert failed[0].error == "RuntimeError: x is too large for this formula"

    def test_a_lane_that_diverges_ends(self, engine, make_queue):
        queue = make_queue(trials=12, epochs=3)
        engine(Formula(diverges=0.7)).run(queue)
        diverged = {trial.number for trial in queue.trials.values() if trial.state is State.DIVERGED}
        assert diverged == {number for number, trial in queue.trials.items() if trial.params["x"] >= 0.7}
        assert queue.best() is not None

    def test_a_full_disk_ends_the_search_and_blames_no_trial(self, engine, make_queue):
        queue = make_queue(trials=12, seed=2)
        with pytest.raises(StorageError, match="no space left"):
            engine(Formula(disk_full=0.9)).run(queue)
        assert not any(trial.state is State.FAILED for trial in queue.trials.values())
        again = make_queue(trials=12, seed=2)  # from the same study, when there is space again
        assert any(trial.values for trial in again.trials.values())
        engine(Formula()).run(again)
        assert {trial.state for trial in again.trials.values()} == {State.COMPLETE, State.STOPPED}

    def test_confirms_what_was_found(self, engine, make_queue, tmp_path):
        queue = make_queue(trials=12, epochs=3)
        engine(Formula()).run(queue)
        (tmp_path / "config.yaml").write_text("{}")
        plan = ConfirmPlan(
            candidates(list(queue.trials.values()), queue.space, top=2),
            confirmation_seeds(0, 3),
            epochs=3,
            workers=2,
        )
        view = ProgressView(Console(file=io.StringIO()), "confirm", workers=2)
        engine(Formula()).run(ConfirmQueue(plan, queue.space, tmp_path, view))
        rows = open_run(tmp_path).confirmed.to_pylist()
        assert len(rows) == len(plan.candidates) * 3
        for row in rows:
            assert (row["state"], row["epoch"]) == ("complete", 3)
            assert row["val"] == pytest.approx((row["param/x"] - 0.3) ** 2 + 1 / 3)
            assert row["test"] == pytest.approx(row["val"] + row["seed"] % 10 / 1000)

    def test_what_the_queue_raises_ends_the_search(self, engine, make_queue):
        class Broken:
            """A queue whose disk is full."""

            def __init__(self, queue):
                self.queue = queue

            def __getattr__(self, name):
                return getattr(self.queue, name)

            def finish(self, job, checkpoint):
                raise OSError("no space left on device")

        with pytest.raises(OSError, match="no space left"):
            engine(Formula()).run(Broken(make_queue(trials=12)))


class SpaceContract:
    """A space file is valid and whole. Subclasses give the fixture `name`."""

    def test_samples_lie_in_the_space(self, name):
        space = read(name)
        rng = random.Random(0)
        for _ in range(50):
            assert space.holds(space.sample(rng))
        assert set(space.structure) <= set(space.params)
        assert space.holds(space.default())

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_proposals_lie_in_the_space(self, name, sampler):
        space = read(name)
        rng = random.Random(0)
        history = [Observation(space.sample(rng), (rng.random(),), busy=False) for _ in range(30)]
        for params in propose(space, history, 20, sampler=sampler, seed=0):
            assert space.holds(params)

    def test_a_run_config_survives_yaml(self, name):
        config = resolve([f"space={name}", "budget=full", "param.lr.high=0.5"])
        plain = yaml.safe_load(yaml.safe_dump(config.plain(), sort_keys=False))
        back = from_plain(plain, "config.yaml")
        assert replace(back, space=replace(back.space, budgets=config.space.budgets)) == config

    def test_every_parameter_has_a_taker(self, name):
        space = read(name)
        taken = import_path.argument_names(import_path.load(space.trainable)) | import_path.argument_names(
            import_path.load(space.data)
        )
        assert set(space.params) | set(space.settings) | set(space.options) <= taken


def small(space: Space) -> Space:
    """The real space with as little data as will do."""
    sizes = {"image_size": 32, "train": 32, "val": 16, "test": 16}
    options = {key: sizes.get(key, value) for key, value in space.options.items()}
    return replace(space, options=options)


def changed(plan: Setup, params: dict[str, object], **values: object) -> dict[str, object]:
    """The parameters with those of the values that the trainable or its data takes."""
    taken = import_path.argument_names(import_path.load(plan.trainable)) | import_path.argument_names(
        import_path.load(plan.data)
    )
    return {**params, **{key: value for key, value in values.items() if key in taken}}


class TrainableContract:
    """What `train` promises of every space's trainable. Subclasses give the fixture `name`."""

    @pytest.fixture
    def given(self, name: str) -> tuple[Setup, dict[str, object]]:
        config = resolve([f"space={name}", "epochs=3", "seed=1"])
        config, _ = prepared(replace(config, space=small(config.space)))
        params = dict(config.space.sample(random.Random(4)))
        gentle = {"lr": 1e-3, "batch_size": 16, "dropout": 0.3, "schedule": "cosine", "temperature": 0.5}
        gentle["backbone"] = "resnet10t"
        params |= {key: value for key, value in gentle.items() if key in params}
        return Setup(**setup(config)), params

    def test_a_pause_changes_nothing(self, given, tmp_path):
        """Epochs 0-1, then 1-3 from the checkpoint, are epochs 0-3: losses, rates, batches, dropout."""
        plan, params = given
        lane = Lane(5, params, seed=3)
        whole = list(train(plan, [lane], 0, 3, str(tmp_path / "whole.safetensors")))
        first = list(train(plan, [lane], 0, 1, str(tmp_path / "first.safetensors")))
        lane = replace(lane, start=str(tmp_path / "first.safetensors"))
        rest = list(train(plan, [lane], 1, 3, str(tmp_path / "rest.safetensors")))
        assert [epoch.epoch for epoch in first + rest] == [1, 2, 3]
        for one, other in zip(whole, first + rest, strict=True):
            assert set(one.metrics[5]) == set(other.metrics[5])
            for key, value in one.metrics[5].items():
                assert other.metrics[5][key] == pytest.approx(value, rel=1e-5), key

    @pytest.mark.parametrize("together", [True, False])
    def test_a_lane_is_its_trial(self, given, together, tmp_path, monkeypatch):
        """In float32 and without dropout, a lane of a pack has the losses that its trial has alone."""
        monkeypatch.setattr("trainables.training.fit.has_bf16", lambda: False)
        monkeypatch.setattr("trainables.training.train.pack_memory", lambda: 2**40)
        monkeypatch.setattr("trainables.training.pack.Group.probe", lambda group, batch: together)
        plan, params = given
        if "backbone" in plan.options:
            plan = replace(plan, options={**plan.options, "backbone": "resnet10t"})
        params = changed(
            plan, params, dropout=0.0, warmup=0.0, eps=1e-5
        )  # a small eps enlarges rounding errors
        losses = ["mse", "mse", "l1"]
        lanes = [
            Lane(7 + i, changed(plan, params, lr=10 ** (-4 + i / 2), loss=losses[i]), seed=i)
            for i in range(3)
        ]
        pack = list(train(plan, lanes, 0, 3, str(tmp_path / "pack.safetensors")))
        alone = [
            list(train(plan, [lane], 0, 3, str(tmp_path / f"{lane.number}.safetensors"))) for lane in lanes
        ]
        for lane, epochs in zip(lanes, alone, strict=True):
            for one, other in zip(epochs, pack, strict=True):
                assert set(one.metrics[lane.number]) == set(other.metrics[lane.number])
                for key, value in one.metrics[lane.number].items():
                    assert other.metrics[lane.number][key] == pytest.approx(value, rel=1e-4, abs=1e-6), key
        finals = {
            lane.number: epochs[-1].metrics[lane.number] for lane, epochs in zip(lanes, alone, strict=True)
        }
        winner = min(finals, key=lambda number: finals[number]["val/loss"])
        assert winner == min(finals, key=lambda number: pack[-1].metrics[number]["val/loss"])

    def test_reports_what_is_promised(self, given, tmp_path):
        plan, params = given
        (epoch,) = train(plan, [Lane(0, params, seed=0)], 0, 1, str(tmp_path / "c.safetensors"))
        metrics = epoch.metrics[0]
        assert {"train/loss", "val/loss", "val/baseline", "lr", plan.objective} <= set(metrics)
        assert all(math.isfinite(value) for value in metrics.values())
        assert epoch.seconds > 0
        assert not epoch.diverged
        assert [path.name for path in Path(tmp_path).iterdir()] == ["c.safetensors"]

    def test_divergence_is_reported_and_ends_the_lane(self, given, tmp_path):
        plan, params = given
        wild = {
            "lr": 1e30,
            "eps": 1e-30,
            "schedule": "constant",
            "warmup": 0.0,
            "loss": "mse",
            "norm": "none",
        }
        params = changed(plan, params, **wild)
        epochs = list(train(plan, [Lane(0, params, seed=0)], 0, 3, str(tmp_path / "c.safetensors")))
        assert epochs[-1].diverged == {0}
        assert len(epochs) < 3
        assert not list(tmp_path.iterdir())

    def test_fresh_batches_are_of_the_same_splits(self, given):
        plan, params = given
        data = [build(replace(plan, batch_seed=seed), Lane(0, params, seed=0))[1] for seed in (None, 1, 2)]
        for split, same in (("train", False), ("val", True), ("test", True)):
            batches = [list(getattr(one, f"{split}_dataloader")()) for one in data]
            targets = [[batch[-1] for batch in of_seed] for of_seed in batches]
            for one, other in zip(targets[0], targets[1], strict=True):
                assert torch.equal(one, other)  # without a seed of their own they have the run's
            alike = [torch.equal(one, other) for one, other in zip(targets[0], targets[2], strict=True)]
            assert all(alike) if same else not any(alike)

    def test_the_seed_decides_the_first_weights(self, given):
        plan, params = given
        states = [build(plan, Lane(0, params, seed=seed))[0].state_dict() for seed in (1, 1, 2)]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
        assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])
