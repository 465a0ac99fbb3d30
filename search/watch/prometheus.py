"""The state of a search as gauges, which the Ray engine exports to Prometheus.

docs/grafana.json draws them under the names that Ray gives them: `ray_` and the name here.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import final

from search.core.job import Job, State
from search.core.queue import Queue
from search.watch.watcher import Watcher
from spaces.lane import Report

GAUGES = {
    "ladder_best": "The objective of the best trial so far",
    "ladder_trials": "Trials by state",
    "ladder_trial_epochs_per_second": "Trial-epochs per second, over the last minute",
    "ladder_lanes_busy": "Trials in running jobs",
}
Publish = Callable[[str, str, float, Mapping[str, str]], None]
"""Sets a gauge: name, description, value, tags."""
WINDOW = 60.0  # seconds over which the rate is measured
INTERVAL = 1.0  # seconds between two publications


@final
class Gauges(Watcher):
    """Publishes GAUGES, tagged with the name of the run."""

    def __init__(self, publish: Publish, run: str) -> None:
        self.publish, self.run = publish, run
        self.start, self.next = time.monotonic(), 0.0
        self.done: deque[tuple[float, int]] = deque()  # time and trial-epochs of each report

    def epoch(self, queue: Queue, report: Report) -> None:
        self.done.append((time.monotonic(), len(report.metrics)))
        if time.monotonic() >= self.next:
            self.publish_all(queue)

    def job(self, queue: Queue, job: Job) -> None:
        if time.monotonic() >= self.next:
            self.publish_all(queue)

    def close(self, queue: Queue) -> None:
        self.publish_all(queue)

    def publish_all(self, queue: Queue) -> None:
        """Publishes all gauges."""
        now = time.monotonic()
        self.next = now + INTERVAL
        while self.done and self.done[0][0] < now - WINDOW:
            self.done.popleft()
        window = max(min(WINDOW, now - self.start), INTERVAL)
        best = queue.best()
        if best:
            self._set("ladder_best", best.values[-1])
        counts = Counter(trial.state for trial in queue.trials.values())
        for state in State:
            self._set("ladder_trials", counts[state], {"state": state.value})
        self._set("ladder_trial_epochs_per_second", sum(epochs for _, epochs in self.done) / window)
        self._set("ladder_lanes_busy", sum(len(job.lanes) for job in queue.jobs.values()))

    def _set(self, name: str, value: float, tags: Mapping[str, str] | None = None) -> None:
        self.publish(name, GAUGES[name], float(value), {"run": self.run, **(tags or {})})
