"""The tests that every engine, every space and every trainable passes. A new one joins with one fixture."""

import io
import math
import random
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console

from results.baselines import NAMES
from results.store import open_run
from search.config.run_config import from_plain, resolve
from search.core.history import Observation
from search.core.job import State
from search.core.samplers.registry import SAMPLERS
from search.engines.train_job import training_setup
from search.runs.confirm import ConfirmPlan, ConfirmQueue, candidates, confirmation_seeds
from search.runs.preflight import prepare
from search.watch.progress import ProgressView
from spaces.lane import Lane, StorageError
from spaces.read import read
from spaces.space import Space
from tests.formula import Formula
from tests.history import RUNGS
from tests.trainables.mnist.idx_files import few_digits
from trainables import import_path
from trainables.seeding import seed_all
from trainables.training.build import build
from trainables.training.setup import Setup
from trainables.training.train import train


class EngineContract:
    """An engine trains all jobs of a queue. Subclasses give the fixture `engine`: `train` -> engine."""

    def test_trains_all_jobs_of_the_queue(self, engine, make_queue):
        queue = make_queue(trials=12, epochs=9)
        engine(Formula()).run(queue)
        assert not queue.jobs
        assert len(queue.trials) == 12
        assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE, State.STOPPED}
        for trial in queue.trials.values():
            rungs = queue.plan.rungs[: len(trial.values)]
            assert trial.epochs == rungs[-1]
            for value, epoch in zip(trial.values, rungs, strict=True):
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
        assert failed[0].error.startswith("RuntimeError: x is too large for this formula")

    def test_a_lane_that_diverges_ends(self, engine, make_queue):
        queue = make_queue(trials=12, epochs=3)
        engine(Formula(diverges=0.7)).run(queue)
        diverged = {trial.number for trial in queue.trials.values() if trial.state is State.DIVERGED}
        assert diverged
        assert diverged == {number for number, trial in queue.trials.items() if trial.params["x"] >= 0.7}
        assert all(queue.trials[number].epochs == 1 for number in diverged)
        valued = [trial for trial in queue.trials.values() if trial.number not in diverged]
        assert queue.best() == min(valued, key=lambda trial: trial.values[-1])

    def test_a_full_disk_ends_the_search_and_blames_no_trial(self, engine, make_queue):
        queue = make_queue(trials=12, seed=2)
        with pytest.raises(StorageError, match="no space left"):
            engine(Formula(disk_full=0.9)).run(queue)
        assert not any(trial.state is State.FAILED for trial in queue.trials.values())
        again = make_queue(trials=12, seed=2)  # from the same study, when there is space again
        assert any(trial.values for trial in again.trials.values())
        engine(Formula()).run(again)
        assert {trial.state for trial in again.trials.values()} == {State.COMPLETE, State.STOPPED}

    def test_confirms_the_best_trials(self, engine, make_queue, tmp_path):
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

    def test_an_exception_of_the_queue_ends_the_search(self, engine, make_queue):
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
    """A space file is valid and complete. Subclasses give the fixture `name`."""

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
        trials = [Observation(space.sample(rng), (rng.random(),), busy=False) for _ in range(30)]
        if sampler == "cmaes":  # each of these spaces has choices
            with pytest.raises(ValueError, match="is a choice"):
                SAMPLERS[sampler](space, RUNGS, 0)
            return
        for params in SAMPLERS[sampler](space, RUNGS, 0).propose(trials, 20):
            assert space.holds(params)

    def test_a_run_config_survives_yaml(self, name):
        config = resolve([f"space={name}", "budget=full", "param.lr.high=0.5"])
        plain = yaml.safe_load(yaml.safe_dump(config.plain(), sort_keys=False))
        back = from_plain(plain, "config.yaml")
        assert replace(back, space=replace(back.space, budgets=config.space.budgets)) == config

    def test_every_parameter_is_an_argument(self, name):
        space = read(name)
        assert set(space.params) | set(space.settings) | set(space.options) <= argument_names(space)


def argument_names(source: Space | Setup) -> set[str]:
    """The arguments of the trainable and of its data."""
    return {
        name
        for path in (source.trainable, source.data)
        for name in import_path.argument_names(import_path.load(path))
    }


def small(space: Space) -> Space:
    """The space with small images and few of them."""
    sizes: dict[str, object] = {"image_size": 32, "train": 32, "val": 16, "test": 16}
    if space.data == "trainables.mnist.image_loaders:ImageLoaders":
        sizes["root"] = str(few_digits())
    options = {key: sizes.get(key, value) for key, value in space.options.items()}
    return replace(space, options=options)


def changed(setup: Setup, params: dict[str, object], **values: object) -> dict[str, object]:
    """The parameters, changed to those of the values that are arguments of the trainable or its data."""
    known = argument_names(setup)
    return {**params, **{key: value for key, value in values.items() if key in known}}


class TrainableContract:
    """The promises of `train` for the trainable of every space. Subclasses give the fixture `name`."""

    @pytest.fixture
    def case(self, name: str) -> tuple[Setup, dict[str, object]]:
        """A small setup of the space, and the parameters of a trial that trains without divergence."""
        config = resolve([f"space={name}", "epochs=3", "seed=1"])
        config, _ = prepare(replace(config, space=small(config.space)))
        params = dict(config.space.sample(random.Random(4)))
        gentle = {"lr": 1e-3, "batch_size": 16, "dropout": 0.3, "schedule": "cosine", "temperature": 0.5}
        gentle["backbone"] = "resnet10t"
        params |= {key: value for key, value in gentle.items() if key in params}
        return Setup(**training_setup(config)), params

    @pytest.mark.slow
    def test_a_pause_changes_nothing(self, case, tmp_path):
        """Epochs 0-1, then 1-3 from the checkpoint, are epochs 0-3: losses, rates, batches, dropout."""
        setup, params = case
        lane = Lane(5, params, seed=3)
        uninterrupted = list(train(setup, [lane], 0, 3, str(tmp_path / "uninterrupted.safetensors")))
        first = list(train(setup, [lane], 0, 1, str(tmp_path / "first.safetensors")))
        lane = replace(lane, start=str(tmp_path / "first.safetensors"))
        rest = list(train(setup, [lane], 1, 3, str(tmp_path / "rest.safetensors")))
        assert [report.epoch for report in first + rest] == [1, 2, 3]
        for expected, report in zip(uninterrupted, first + rest, strict=True):
            assert set(expected.metrics[5]) == set(report.metrics[5])
            for key, value in expected.metrics[5].items():
                assert report.metrics[5][key] == pytest.approx(value, rel=1e-5), key

    @pytest.mark.slow
    @pytest.mark.parametrize("batched", [True, False])
    def test_a_lane_is_its_trial(self, case, batched, tmp_path):
        """In float32 and without dropout, a lane of a pack has the losses that its trial has alone."""
        setup, params = case
        setup = replace(setup, mixed_precision=False, pack_memory=2**40, batched=batched)
        if "backbone" in setup.options:
            setup = replace(setup, options={**setup.options, "backbone": "resnet10t"})
        # A small eps enlarges rounding errors.
        params = changed(setup, params, dropout=0.0, warmup=0.0, eps=1e-5)
        losses = ["mse", "mse", "l1"]
        lanes = [
            Lane(7 + i, changed(setup, params, lr=10 ** (-4 + i / 2), loss=losses[i]), seed=i)
            for i in range(3)
        ]
        pack = list(train(setup, lanes, 0, 3, str(tmp_path / "pack.safetensors")))
        alone = [
            list(train(setup, [lane], 0, 3, str(tmp_path / f"{lane.number}.safetensors"))) for lane in lanes
        ]
        for lane, reports in zip(lanes, alone, strict=True):
            for expected, report in zip(reports, pack, strict=True):
                assert set(expected.metrics[lane.number]) == set(report.metrics[lane.number])
                for key, value in expected.metrics[lane.number].items():
                    assert report.metrics[lane.number][key] == pytest.approx(value, rel=1e-4, abs=1e-6), key

    def test_a_report_is_complete(self, case, tmp_path):
        setup, params = case
        (report,) = train(setup, [Lane(0, params, seed=0)], 0, 1, str(tmp_path / "c.safetensors"))
        metrics = report.metrics[0]
        assert {"train/loss", "val/loss", "lr", setup.objective} <= set(metrics)
        assert all(math.isfinite(value) for value in metrics.values())
        assert math.isfinite(report.facts["baseline"])
        assert set(report.facts) <= set(NAMES)
        assert report.device == (torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu")
        assert report.node == socket.gethostname()
        assert report.seconds > 0
        assert not report.diverged
        assert [path.name for path in Path(tmp_path).iterdir()] == ["c.safetensors"]

    def test_divergence_is_reported_and_ends_the_lane(self, case, tmp_path):
        setup, params = case
        diverging = {
            "lr": 1e30,
            "eps": 1e-30,
            "schedule": "constant",
            "warmup": 0.0,
            "loss": "mse",
            "norm": "none",
        }
        params = changed(setup, params, **diverging)
        reports = list(train(setup, [Lane(0, params, seed=0)], 0, 3, str(tmp_path / "c.safetensors")))
        assert reports[-1].diverged == {0}
        assert len(reports) < 3
        assert not list(tmp_path.iterdir())

    def test_batch_seeds_share_their_splits(self, case):
        setup, params = case

        def batches(batch_seed: int | None, split: str) -> list[tuple[torch.Tensor, ...]]:
            data = build(replace(setup, batch_seed=batch_seed), Lane(0, params, seed=0))[1]
            data.prepare_data()
            data.setup("test" if split == "test" else "fit")
            seed_all(setup.seed if batch_seed is None else batch_seed)  # as training does for plain loaders
            return list(getattr(data, f"{split}_dataloader")())

        for split, same in (("train", False), ("val", True), ("test", True)):
            targets = [[batch[-1] for batch in batches(seed, split)] for seed in (None, 1, 2)]
            for one, other in zip(targets[0], targets[1], strict=True):
                assert torch.equal(one, other)  # batch_seed defaults to the seed of the run
            alike = [torch.equal(one, other) for one, other in zip(targets[0], targets[2], strict=True)]
            assert all(alike) if same else not any(alike)

    def test_the_seed_decides_the_initial_weights(self, case):
        setup, params = case
        states = [build(setup, Lane(0, params, seed=seed))[0].state_dict() for seed in (1, 1, 2)]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
        assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])
