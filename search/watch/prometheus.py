"""How a search stands, as gauges that the engine publishes: the Ray engine to Prometheus.

docs/grafana.json draws them under the names that Ray gives them, `ray_` before ours.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

from search.core.job import Job, Report, State
from search.core.queue import Queue

GAUGES = {
    "ladder_best": "The objective of the best trial so far",
    "ladder_trials": "Trials by state",
    "ladder_trial_epochs_per_second": "Epochs of trials a second, over the last minute",
    "ladder_lanes_busy": "Trials in the jobs that are being trained",
}
Publish = Callable[[str, str, float, Mapping[str, str]], None]
"""Takes a gauge's name, what it is, its value and its tags."""
SPAN = 60.0  # seconds that the rate is of
PAUSE = 1.0  # seconds between two settings


class Gauges:
    """Watches a queue and publishes GAUGES, tagged with the run's name."""

    def __init__(self, publish: Publish, run: str) -> None:
        self.publish, self.run = publish, run
        self.began, self.next = time.monotonic(), 0.0
        self.done: deque[tuple[float, int]] = deque()  # when, and epochs of trials

    def epoch(self, queue: Queue, report: Report) -> None:
        """An epoch of a job is done."""
        self.done.append((time.monotonic(), len(report.metrics)))
        if time.monotonic() >= self.next:
            self.set(queue)

    def job(self, queue: Queue, job: Job) -> None:
        """A job has ended."""
        if time.monotonic() >= self.next:
            self.set(queue)

    def close(self, queue: Queue) -> None:
        """The search is over, or broken off."""
        self.set(queue)

    def set(self, queue: Queue) -> None:
        """Publishes all gauges as they stand now."""
        now = time.monotonic()
        self.next = now + PAUSE
        while self.done and self.done[0][0] < now - SPAN:
            self.done.popleft()
        span = max(min(SPAN, now - self.began), PAUSE)
        best = queue.best()
        if best:
            self._set("ladder_best", best.values[-1])
        counts = Counter(trial.state for trial in queue.trials.values())
        for state in State:
            self._set("ladder_trials", counts[state], {"state": state.value})
        self._set("ladder_trial_epochs_per_second", sum(epochs for _, epochs in self.done) / span)
        self._set("ladder_lanes_busy", sum(len(job.lanes) for job in queue.jobs.values()))

    def _set(self, name: str, value: float, tags: Mapping[str, str] | None = None) -> None:
        self.publish(name, GAUGES[name], float(value), {"run": self.run, **(tags or {})})
