"""The one persistent Optuna study of a run. Its journal is the whole state of the search.

A finished Optuna trial is immutable, so a trial stays RUNNING there while it may yet be promoted. What one
event changes is one entry of the journal: the user attribute `rung/<epochs>` when a rung is finished or the
trial diverges on the way there, `end` when a trial stops or fails. The start of a pack, and the rungs of a
pack, are first one entry of the study. The entries that follow say the same of each trial and to Optuna: the
trial, the intermediate value, the state. A kill may come before them; the next writer adds them.

When a search gets higher rungs, trials go on that Optuna has ended. What is recorded of them from then on are
attributes of the study, `trial/<number>/rung/<epochs>` and `trial/<number>/end`; Optuna keeps the value and
the state that it had.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.core.job import State, Trial
from search.core.journal import open_journal, truncate_torn_line
from search.core.samplers.optuna_space import distributions
from spaces.space import Space

OPTUNA_STATES = {
    State.COMPLETE: TrialState.COMPLETE,
    State.STOPPED: TrialState.PRUNED,
    State.DIVERGED: TrialState.FAIL,
    State.FAILED: TrialState.FAIL,
}
DIRECTIONS = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}
AT_RUNG = ("checkpoint", "seconds", "device", "node")  # fields of a Trial that are recorded at each rung
BEGUN = "begun"  # attribute of the study: the trials that have last begun together
END = "end"  # attribute of a trial: how it has ended, where that is no rung
LATER = "trial"  # attributes of the study: the records of trials that go on after Optuna has ended them
PACK = "pack"  # attribute of the study: the records of the pack that has last reached its rung
Row = dict[str, Any]


class Study:
    """Creates trials and records their results; reads all of it back."""

    def __init__(self, path: Path, space: Space, rungs: Sequence[int], *, writable: bool = True) -> None:
        """Opens or creates the study in the journal `path`; `rungs` are in epochs.

        A `writable` study needs the lock of its run. One that is not follows a search in another process.
        Raises ValueError if that search has not created its study yet.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space, self.rungs = space, tuple(rungs)
        self.distributions = distributions(space)
        if writable:
            truncate_torn_line(path)
        self.storage = open_journal(path)
        studies = self.storage.get_all_studies()
        if not studies and not writable:
            raise ValueError(f"{path} holds no study yet; try again when the search has begun")
        if studies:
            self.study_id = self.storage.get_study_id_from_name(studies[0].study_name)
        else:
            directions = [DIRECTIONS[objective.mode] for objective in space.objectives]
            self.study_id = self.storage.create_new_study(directions, path.parent.name)
        self.study_attributes: Row = {}  # as they were when the trials were last read
        if writable:
            self._complete_entries()
        self.opened, self.ran_before = time.monotonic(), self._ran_before()

    def create(self, params: Sequence[Mapping[str, Any]]) -> list[Trial]:
        """New trials with these parameters."""
        if len(params) > 1:
            begun = {"first": len(self.frozen_trials()), "params": [dict(one) for one in params]}
            self.storage.set_study_user_attr(self.study_id, BEGUN, begun)
        return [self._create(one) for one in params]

    def _create(self, params: Mapping[str, Any]) -> Trial:
        own = {name: self.distributions[name] for name in params}
        template = create_trial(state=TrialState.RUNNING, params=dict(params), distributions=own)
        trial_id = self.storage.create_new_trial(self.study_id, template)
        return Trial(number=self.storage.get_trial_number_from_id(trial_id), params=dict(params))

    def record_rung(self, trials: Sequence[Trial], rung: int, epochs: Sequence[Sequence[Row]]) -> None:
        """A job has trained the trials to rung `rung`, or until they diverged on the way there.

        `epochs` are the rows of the epochs of that job, for each trial. After the last rung nothing more is
        recorded.
        """
        ran = {"ran": self.ran()}
        records = [rung_record(*one, rung) | ran for one in zip(trials, epochs, strict=True)]
        key = f"rung/{self.rungs[rung]}"
        if len(trials) > 1:
            pack = [[trial.number, record] for trial, record in zip(trials, records, strict=True)]
            self.storage.set_study_user_attr(self.study_id, PACK, {"key": key, "records": pack})
        for trial, record in zip(trials, records, strict=True):
            self._record(trial.number, key, record)

    def record_end(self, trial: Trial) -> None:
        """The trial has stopped or failed. Nothing is recorded after that."""
        self._record(
            trial.number, END, {"state": trial.state.value, "error": trial.error, "order": trial.order}
        )

    def record_facts(self, rung: int, facts: Mapping[str, float]) -> None:
        """Constants of the data that trials train on up to rung `rung`, such as baselines."""
        self.storage.set_study_user_attr(self.study_id, f"facts/{self.rungs[rung]}", dict(facts))

    def record_packs(self, packs: Mapping[str, Any]) -> None:
        """What failed packs have taught (`Retries.plain`)."""
        self.storage.set_study_user_attr(self.study_id, "packs", dict(packs))

    def packs(self) -> dict[str, Any] | None:
        """What failed packs have taught; None before any has failed."""
        return self.storage.get_study_user_attrs(self.study_id).get("packs")

    def record_early_end(self, end: Mapping[str, float]) -> None:
        """The search begins no further trial."""
        self.storage.set_study_user_attr(self.study_id, "early_end", dict(end))

    def early_end(self) -> dict[str, Any] | None:
        """The recorded early end; None if there is none, or the search has grown since."""
        return self.storage.get_study_user_attrs(self.study_id).get("early_end") or None

    def record_growth(self, before: Mapping[str, Any]) -> None:
        """The search goes on with more trials or time than `before`; an early end no longer holds."""
        sizes = self.storage.get_study_user_attrs(self.study_id).get("sizes", [])
        self.storage.set_study_user_attr(self.study_id, "sizes", [*sizes, dict(before)])
        self.record_early_end({})

    def ran(self) -> float:
        """Seconds that the search has run: in this process, and in earlier ones up to their last result."""
        return self.ran_before + time.monotonic() - self.opened

    def _ran_before(self) -> float:
        records = [record for frozen in self.frozen_trials() for _, _, record in self._kept(frozen)]
        return max((record.get("ran", 0.0) for record in records), default=0.0)

    def frozen_trials(self) -> list[FrozenTrial]:
        """All trials as Optuna has them, in the order of their numbers. Not to be changed."""
        self.study_attributes = self.storage.get_study_user_attrs(self.study_id)
        return self.storage.get_all_trials(self.study_id, deepcopy=False)

    def trials(self) -> list[Trial]:
        """All trials in the order of their numbers. A trial whose job was interrupted is paused."""
        return [self._trial(frozen) for frozen in self.frozen_trials()]

    def rung_rows(self) -> list[Row]:
        """A row per trial and finished rung, in the order in which the search took in the results.

        `finished_at` counts seconds from the start of the first trial. It never falls, also where the clock
        of the machine was set back.
        """
        trials = self.frozen_trials()
        start = min((t.datetime_start.timestamp() for t in trials if t.datetime_start), default=0.0)
        results = [
            (frozen, rung, epochs, record)
            for frozen in trials
            for rung, epochs, record in self._kept(frozen)
            if "value" in record or epochs in frozen.intermediate_values
        ]
        results.sort(key=lambda result: (result[3].get("order", [-1])[-1], result[3]["at"], result[0].number))
        rows, latest = [], 0.0
        for frozen, rung, epochs, record in results:
            latest = max(latest, record["at"] - start)
            value = record.get("value", frozen.intermediate_values.get(epochs))
            row = {
                "trial": frozen.number,
                "rung": rung,
                "epochs": epochs,
                "value": value,
                "finished_at": latest,
            }
            rows.append(row | {key: record[key] for key in AT_RUNG})
        return rows

    def epoch_rows(self) -> list[Row]:
        """A row per trial and epoch, of finished rungs and of ended trials: the table of epochs."""
        trials = self.frozen_trials()
        return [row for frozen in trials for _, _, record in self._kept(frozen) for row in record["epochs"]]

    def facts(self) -> dict[int, dict[str, float]]:
        """The recorded facts by rung."""
        facts = self.storage.get_study_user_attrs(self.study_id)
        keys = {rung: f"facts/{epochs}" for rung, epochs in enumerate(self.rungs)}
        return {rung: facts[key] for rung, key in keys.items() if key in facts}

    def _attributes(self, frozen: FrozenTrial) -> Row:
        """All that is recorded of a trial."""
        if not frozen.state.is_finished():
            return frozen.user_attrs
        keys, later = [*(f"rung/{epochs}" for epochs in self.rungs), END], self.study_attributes
        known = {key: f"{LATER}/{frozen.number}/{key}" for key in keys}
        return frozen.user_attrs | {key: later[name] for key, name in known.items() if name in later}

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)

    def _complete_entries(self) -> None:
        """Adds the entries that a kill kept from following."""
        attributes = self.storage.get_study_user_attrs(self.study_id)
        if begun := attributes.get(BEGUN):
            for params in begun["params"][len(self.frozen_trials()) - begun["first"] :]:
                self._create(params)
        pack = attributes.get(PACK, {"records": []})
        trials = self.frozen_trials()
        for number, record in pack["records"]:
            if pack["key"] not in self._attributes(trials[number]):
                self._record(number, pack["key"], record)
        for frozen in trials:
            self._tell_optuna(frozen)

    def _record(self, number: int, key: str, record: Row) -> None:
        """Writes an entry of a trial, then what it means to Optuna."""
        trial_id = self._id(number)
        if self.storage.get_trial(trial_id).state.is_finished():
            self.storage.set_study_user_attr(self.study_id, f"{LATER}/{number}/{key}", record)
            return
        self.storage.set_trial_user_attr(trial_id, key, record)
        self._tell_optuna(self.storage.get_trial(trial_id))

    def _tell_optuna(self, frozen: FrozenTrial) -> None:
        """Adds the values and the state that follow from the records of a trial, if Optuna lacks them."""
        if frozen.state.is_finished():
            return
        trial = self._trial(frozen)
        trial_id = self._id(frozen.number)
        for epochs, value in zip(self.rungs, trial.values, strict=False):
            if epochs not in frozen.intermediate_values:
                self.storage.set_trial_intermediate_value(trial_id, epochs, value)
        if trial.state is State.PAUSED:
            return
        values = None
        if trial.state in (State.COMPLETE, State.STOPPED):
            metrics = trial.metrics[-1] if trial.metrics else {self.space.objective.metric: trial.values[-1]}
            values = [metrics[objective.metric] for objective in self.space.objectives]
        self.storage.set_trial_state_values(trial_id, OPTUNA_STATES[trial.state], values)

    def _kept(self, frozen: FrozenTrial) -> Iterator[tuple[int, int, Row]]:
        """Index, epochs and record of each finished rung, and of the rung before which a trial diverged.

        In the journal of an earlier version a record counts once the value of its rung or the state of its
        trial is there too.
        """
        attributes = self._attributes(frozen)
        for rung, epochs in enumerate(self.rungs):
            record = attributes.get(f"rung/{epochs}")
            if record and (
                "state" in record or epochs in frozen.intermediate_values or frozen.state.is_finished()
            ):
                yield rung, epochs, record

    def _trial(self, frozen: FrozenTrial) -> Trial:
        records = {epochs: record for _, epochs, record in self._kept(frozen)}
        values = frozen.intermediate_values | {e: r["value"] for e, r in records.items() if "value" in r}
        last = list(records.values())[-1:]
        order: Sequence[int] = last[0].get("order", [-1] * len(records)) if last else ()
        end: Row = self._attributes(frozen).get(END, {"state": State.PAUSED, "error": None})
        # A trial that was complete goes on where there are higher rungs now.
        going_on = (State.PAUSED,) if len(records) == len(self.rungs) else (State.PAUSED, State.COMPLETE)
        if last and last[0].get("state", State.PAUSED) not in going_on:
            end = last[0]
        elif "state" in frozen.user_attrs and frozen.state.is_finished():
            end = {"error": None, **frozen.user_attrs}  # an earlier version's
        return Trial(
            number=frozen.number,
            params=dict(frozen.params),
            state=State(end["state"]),
            values=tuple(values[epochs] for epochs in self.rungs if epochs in values),
            metrics=tuple(record["metrics"] for record in records.values() if "metrics" in record),
            order=tuple(end.get("order", order)),
            epochs=last[0]["trained"] if last else 0,
            error=end["error"],
            **{key: record[key] for record in last for key in AT_RUNG},
        )


def rung_record(trial: Trial, epochs: Sequence[Row], rung: int) -> Row:
    """How the trial has reached `rung`, or where it diverged on the way there."""
    record = {key: getattr(trial, key) for key in AT_RUNG}
    record |= {"trained": trial.epochs, "order": trial.order, "epochs": list(epochs), "at": time.time()}
    record |= {"state": trial.state.value, "error": trial.error}
    if len(trial.values) > rung:
        record["value"] = trial.values[rung]
    if len(trial.metrics) > rung:
        record["metrics"] = trial.metrics[rung]
    return record
