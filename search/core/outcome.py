"""The outcome of a job for one of its trials."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from search.core.job import Job, State, Trial
from spaces.lane import Report
from spaces.space import Space


def with_results(
    space: Space,
    trial: Trial,
    job: Job,
    reports: Sequence[Report],
    state: State,
    checkpoint: str | None,
    order: int,
) -> Trial:
    """The trial with what the reports of its job say of it; `state` is the one at the end of the job.

    `order` is the number of its result among all results of the search.
    """
    own = [report for report in reports if trial.number in report.metrics]
    assert own and own[0].epoch == job.first + 1, "a job reports each of its epochs"
    values, metrics, last = trial.values, trial.metrics, own[-1]
    if state is not State.DIVERGED:
        assert last.epoch == job.last, "a job that finishes has reported its last epoch"
        logged = last.metrics[trial.number]
        values = (*values, logged[space.objective.metric])
        if not space.ranks_by_value:
            metrics = (*metrics, {name: logged[name] for name in space.ranking_metrics})
    return replace(
        trial,
        state=state,
        values=values,
        metrics=metrics,
        order=(*trial.order, order),
        epochs=last.epoch,
        checkpoint=checkpoint,
        error=f"diverged in epoch {last.epoch}" if state is State.DIVERGED else None,
        seconds=trial.seconds + sum(report.lane_seconds for report in own),
        device=last.device,
        node=last.node,
    )


def epoch_rows(reports: Sequence[Report], number: int) -> list[dict[str, Any]]:
    """A trial's part of a job's reports, as rows of the table of epochs."""
    return [
        {"trial": number, "epoch": report.epoch, "seconds": report.lane_seconds, **report.metrics[number]}
        for report in reports
        if number in report.metrics
    ]
