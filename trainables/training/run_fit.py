"""run_fit(...): trains a Fit and yields a Report of each epoch.

Lightning calls back once an epoch, but engines iterate. So Lightning runs in a thread, and its callback puts
the reports on a queue.
"""

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from spaces.lane import Report
from trainables.training import checkpoint
from trainables.training.callbacks import EpochReporter, LaneCheckpointing, Reports
from trainables.training.fit import Fit
from trainables.training.lightning_private import set_epochs_done
from trainables.training.trainer import make_trainer

JOIN_SECONDS = 30.0  # for the step that runs when a job is broken off; one that hangs is left behind


def run_fit(
    fit: Fit, ranking: Sequence[str], first: int, last: int, out: Path | None, best: str | None = None
) -> Iterator[Report]:
    """Trains from `first` epochs done to `last`, yields a Report each, writes checkpoint `out` unless None.

    `ranking` are the metrics that rank trials, the objective first. With `best` (min or max) the checkpoint
    holds each lane's weights at its best objective.
    If a module ends its own training (early stopping), its last metrics stand for the remaining epochs.
    A lane whose training loss or a ranking metric is not finite has diverged; when all have, training ends
    without a checkpoint. Raises ValueError if a ranking metric is not logged or can't be measured,
    StorageError if the checkpoint can't be written, and any exception of the module.
    """
    done = first
    best_epochs: Mapping[int, int] = {}
    if fit.final_metrics is None:
        for report in fit_in_thread(fit, ranking, first, last, out, best):
            done, best_epochs = report.epoch, report.best
            yield report
    elif fit.start and out and fit.writes:
        checkpoint.save(out, {number: checkpoint.lane(Path(fit.start), number) for number in fit.numbers})
    if fit.final_metrics is not None:
        for epoch in range(done + 1, last + 1):
            yield Report(epoch, 0.0, fit.final_metrics, best=best_epochs)


def fit_in_thread(
    fit: Fit, ranking: Sequence[str], first: int, last: int, out: Path | None, best: str | None
) -> Iterator[Report]:
    """Yields the reports of the epochs that Lightning trains; arguments as in `run_fit`."""
    reports: Reports = queue.Queue()
    reporter = EpochReporter(fit, ranking, last, reports, best)
    checkpointing = LaneCheckpointing(fit, reporter, out)
    callbacks = [checkpointing, *fit.callbacks, reporter]
    options = {"max_epochs": last, **fit.trainer_options, "callbacks": callbacks}
    trainer = make_trainer(fit.mixed_precision, **options)
    set_epochs_done(trainer, first)  # learning rates and batches depend on the epoch

    def train() -> None:
        # Moments of rarely active inputs become denormals, which are slow on CPUs.
        torch.set_flush_denormal(True)
        try:
            with fit.restored_file(trainer) as path:
                trainer.fit(fit.module, datamodule=fit.data, ckpt_path=path)
            reports.put(None)
        except BaseException as error:  # raised again in the thread that iterates
            reports.put(error)

    thread = threading.Thread(target=train, name="fit", daemon=True)
    thread.start()
    last_report: list[Report] = []
    try:
        while (report := reports.get()) is not None:
            if isinstance(report, BaseException):
                raise report
            if report.epoch < last:
                yield report
            else:
                last_report = [report]  # held back until the checkpoint is written
        yield from last_report
    finally:
        checkpointing.enabled = False
        trainer.should_stop = True
        thread.join(JOIN_SECONDS)
