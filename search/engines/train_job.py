"""The one seam to the trainables: how a worker trains a job."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from results.cached import remote_of
from search.config.run_config import RunConfig
from search.core.job import Job
from search.engines.job_files import job_files
from spaces.lane import Report
from trainables import given, pytorch_lightning
from trainables.training.memory import importing

PICTURES = "logs/modules"  # folder of what modules give to TensorBoard


@dataclass(frozen=True)
class TrainJob:
    """Trains the jobs of one run; an engine's `Train`. Plain data, so it can be sent to any process."""

    folder: str  # of the run
    setup: Mapping[str, Any]  # see training_setup
    pick: str = "best"  # the epoch whose weights a confirmation keeps; see Space
    rung_options: tuple[Mapping[str, int], ...] = ()  # options of the data that differ between rungs
    objects: Mapping[str, Any] = field(default_factory=dict)  # of a Python program, by their paths
    remote: str | None = None  # URI of the run at a remote storage; None: all workers see the folder

    @classmethod
    def of(cls, config: RunConfig, folder: Path) -> Self:
        """For the run with this configuration and folder."""
        paths = (config.space.trainable, config.space.data)
        objects = {path: given.OBJECTS[path] for path in paths if path in given.OBJECTS}
        remote = remote_of(folder)
        pictures = str(folder / PICTURES) if config.logger == "tensorboard" and not remote else None
        return cls(
            str(folder),
            {**training_setup(config), "pictures": pictures},
            config.space.pick,
            config.rung_options,
            objects,
            remote.uri if remote else None,
        )

    def __call__(self, job: Job) -> Iterator[Report]:
        # Workers need PyTorch; the command line must start without it.
        given.give(self.objects)
        pytorch_lightning.alias()
        with importing():
            from trainables import import_path
            from trainables.training.evaluate import score
            from trainables.training.setup import Setup
            from trainables.training.train import train

            import_path.load(self.setup["trainable"])

        setup = Setup(**self.setup)
        if job.confirm_seed is not None:
            setup = replace(setup, batch_seed=job.confirm_seed)
        elif job.rung is not None and self.rung_options:
            setup = replace(setup, options={**setup.options, **self.rung_options[job.rung]})
        confirming, last = job.confirm_seed is not None, None
        keep_best = confirming and self.pick == "best"
        with job_files(self.folder, self.remote) as files:
            lanes = [replace(lane, start=lane.start and files.start(lane.start)) for lane in job.lanes]
            out = str(files.folder / job.checkpoint)
            for report in train(setup, lanes, job.first, job.last, out, keep_best=keep_best):
                report = replace(report, job=job.number)
                if confirming and report.epoch == job.last:
                    own = {number: report.epoch for number in report.metrics.keys() - report.diverged}
                    # Scored when training has ended and freed its memory.
                    last = report if keep_best else replace(report, best=own)
                    continue
                if report.epoch == job.last:
                    files.keep(job.checkpoint)
                yield report
            if last is not None:
                kept = [lane for lane in lanes if lane.number in last.best]
                scores = score(setup, kept, out)
                test = {number: of_lane.test for number, of_lane in scores.items()}
                samples = {number: s.samples for number, s in scores.items() if s.samples is not None}
                files.keep(job.checkpoint)
                yield replace(last, test=test, samples=samples)


def end_processes() -> None:
    """Ends the processes of several devices that wait in this process for a next job."""
    if module := sys.modules.get("trainables.training.processes"):  # else there are none
        module.end_idle()


def training_setup(config: RunConfig) -> dict[str, Any]:
    """The arguments of `trainables.training.train.Setup`: settings of all trials of a run."""
    space = config.space
    return {
        "trainable": space.trainable,
        "data": space.data,
        "options": {**space.settings, **space.options},
        "seed": config.seed,
        "epochs": config.epochs,
        "objective": space.objective.metric,
        "mode": space.objective.mode,
        "further_metrics": space.ranking_metrics[1:],
        "trainer": dict(space.trainer),
        "project": space.project,
        "trusts": space.trust_checkpoints,
        "deterministic": config.deterministic,
        "devices": config.devices_per_trial,
        "option_values": space.option_values,
    }
