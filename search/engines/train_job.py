"""The one place where the engine room hands a job to the trainables. It runs in the worker's process."""

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from search.core.job import Job, Report, StorageError
from trainables.training.memory import importing

Train = Callable[[Job], Iterator[Report]]
"""What an engine runs: trains a job, yields a report an epoch, and leaves the job's checkpoint behind.
A test passes a formula instead of training."""


def checkpoint_name(job: Job) -> str:
    """Where a job's checkpoint is kept, relative to the run's folder."""
    if job.confirm_seed is not None:
        return f"checkpoints/confirm/seed-{job.confirm_seed}-trial-{job.lanes[0].number:05}.safetensors"
    return f"checkpoints/trial-{job.lanes[0].number:05}-epoch-{job.last}.safetensors"


@dataclass(frozen=True)
class TrainJob:
    """Trains jobs of one run; the callable that engines get. Plain data, so it travels to any process."""

    folder: str  # of the run
    setup: Mapping[str, Any]  # the fields of trainables.training.train.Setup
    stages: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)  # see fidelity.py

    def __call__(self, job: Job) -> Iterator[Report]:
        # Imported here: PyTorch is for workers, and the command line must start without it.
        with importing():
            import torch

            from trainables import import_path
            from trainables.training.checkpoint import Unwritable
            from trainables.training.evaluate import score
            from trainables.training.fit import Epoch
            from trainables.training.train import Lane, Setup, train

            import_path.load(self.setup["trainable"])

        setup = replace(Setup(**self.setup), batch_seed=job.confirm_seed)
        if job.confirm_seed is None:
            setup = replace(setup, options={**setup.options, **self.stages.get(job.last, {})})
        folder = Path(self.folder)
        lanes = [
            Lane(lane.number, lane.params, lane.seed, str(folder / lane.start) if lane.start else None)
            for lane in job.lanes
        ]
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        node = socket.gethostname()
        out = str(folder / checkpoint_name(job))

        def report(epoch: Epoch, test: Mapping[int, float]) -> Report:
            return Report(
                job=job.number,
                epoch=epoch.epoch,
                seconds=epoch.seconds,
                metrics=epoch.metrics,
                diverged=epoch.diverged,
                device=device,
                node=node,
                best=epoch.best,
                test=test,
                note=epoch.note,
            )

        last = None
        try:
            for epoch in train(
                setup, lanes, job.first, job.last, out, keep_best=job.confirm_seed is not None
            ):
                if job.confirm_seed is not None and epoch.epoch == job.last:
                    last = epoch  # to be scored when its checkpoint is written
                else:
                    yield report(epoch, {})
            if last is not None:
                alive = [lane for lane in lanes if lane.number in last.best]
                yield report(last, score(setup, alive, out))
        except Unwritable as error:
            raise StorageError(str(error)) from error
