"""The one place where the engine room hands a job to the trainables. It runs in the worker's process."""

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.job import Job, Report

Train = Callable[[Job], Iterator[Report]]
"""What an engine runs: trains a job, yields a report an epoch, and leaves the job's checkpoint behind.
A test passes a formula instead of training."""


def checkpoint_name(job: Job) -> str:
    """Where a job's checkpoint is kept, relative to the run's folder."""
    return f"checkpoints/trial-{job.lanes[0].number:05}-epoch-{job.last}.safetensors"


@dataclass(frozen=True)
class TrainJob:
    """Trains jobs of one run; the callable that engines get. Plain data, so it travels to any process."""

    folder: str  # of the run
    setup: Mapping[str, Any]  # the fields of trainables.train.Setup

    def __call__(self, job: Job) -> Iterator[Report]:
        # Imported here: PyTorch is for workers, and the command line must start without it.
        import torch

        from trainables.train import Lane, Setup, train

        folder = Path(self.folder)
        lanes = [
            Lane(lane.number, lane.params, lane.seed, str(folder / lane.start) if lane.start else None)
            for lane in job.lanes
        ]
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        node = socket.gethostname()
        out = str(folder / checkpoint_name(job))
        for epoch in train(Setup(**self.setup), lanes, job.first, job.last, out):
            yield Report(
                job=job.number,
                epoch=epoch.epoch,
                seconds=epoch.seconds,
                metrics=epoch.metrics,
                diverged=epoch.diverged,
                device=device,
                node=node,
            )
