"""The tests that every policy and every sampler passes."""

from dataclasses import replace
from math import inf

import pytest

from search.core.distinct import Distinct
from search.core.history import History, Observation
from search.core.rungs import Done, Promote, Sample, Wait
from spaces.constraints import parse_rule
from spaces.params import Range
from spaces.space import Space
from tests.history import RANGES, RUNGS, history

SMALL = replace(RANGES, params={"n": Range(1, 5), "m": Range(1, 4)})  # 20 configurations

# The second ones hold for one in 60 random configurations.
RULES = [("x < 0.2 * n", "n != 3"), ("n > 6", "x < 0.1", "lr < x")]


def with_rules(space: Space, *rules: str) -> Space:
    """The space with these rules on its parameters."""
    return replace(space, rules=tuple(parse_rule(rule, space.params) for rule in rules))


class SamplerContract:
    """A sampler proposes configurations. Subclasses give the fixtures `sampler`, the class, and `space`."""

    @pytest.mark.parametrize("count", [0, 5, 40])
    def test_proposals_are_in_the_space_and_pure(self, sampler, space, count):
        first = sampler(space, RUNGS, 1).propose(history(count, space=space), 3)
        assert first == sampler(space, RUNGS, 1).propose(history(count, space=space), 3)
        assert first != sampler(space, RUNGS, 2).propose(history(count, space=space), 3)
        for params in first:
            assert all(params[name] in param for name, param in space.params.items())
            assert isinstance(params["n"], int)

    @pytest.mark.parametrize("number", [0, 1, 70])
    def test_as_many_different_proposals_as_asked_for(self, sampler, space, number):
        proposals = sampler(space, RUNGS, 0).propose(history(20, space=space), number)
        assert len({params["x"] for params in proposals}) == len(proposals) == number

    @pytest.mark.parametrize("count", [0, 40])
    def test_proposals_are_on_the_grid(self, sampler, space, count):
        """Before there is a model all its values are proposed; none has a rounding error."""
        grids = {"width": (32, 64, 96), "rate": (0.1, 0.2, 0.3, 0.4, 0.5)}
        ranges = {"width": Range(32, 100, step=32), "rate": Range(0.1, 0.5, step=0.1)}
        space = replace(space, params={**space.params, **ranges})
        proposals = sampler(space, RUNGS, 0).propose(history(count, space=space), 60)
        for name, values in grids.items():
            proposed = {params[name] for params in proposals}
            assert proposed <= set(values) if count else proposed == set(values)
        assert all(isinstance(params["width"], int) for params in proposals)

    @pytest.mark.parametrize("rules", RULES)
    def test_proposals_keep_the_rules_of_the_space(self, sampler, space, rules):
        space = with_rules(space, *rules)
        for count in (0, 30):
            trials = history(count, space=space)
            proposals = sampler(space, RUNGS, 0).propose(trials, 60)
            assert all(space.holds(params) for params in proposals)
            assert len({tuple(params.items()) for params in proposals}) == len(proposals) == 60
            pair = [sampler(space, RUNGS, 0).propose(trials, 2) for _ in range(2)]
            assert pair[0] == pair[1]


class PolicyContract:
    """A policy decides what is next. Subclasses give the fixtures `make`, for a seed and a space, `make_for`,
    for a space, and `space`."""

    def test_decisions_are_pure(self, make, space):
        for count in (0, 5, 30):
            trials = history(count, space=space)
            first = make().decide(trials, 9, 3, (1, 1, 1))
            assert first == make().decide(trials, 9, 3, (1, 1, 1))
            if isinstance(first, Sample):
                assert first != make(1).decide(trials, 9, 3, (1, 1, 1))

    def test_a_sample_has_as_many_different_configurations_as_asked_for(self, make, space):
        trials = [replace(trial, values=(inf,)) for trial in history(20, space=space)]  # none can be promoted
        for count in (0, 1, 40):
            decision = make().decide(trials, 100, count, (1, 1, 1))
            assert isinstance(decision, Sample)
            assert len({params["x"] for params in decision.params}) == len(decision.params) == count
            assert all(space.holds(params) for params in decision.params)

    def test_the_end_of_a_search(self, make, space):
        """The best third of the first rung goes on; then, in steps, the best of the next."""
        trials = history(9, space=space)
        best = sorted(range(9), key=lambda number: trials[number].values[0])[:3]
        assert make().decide(trials, 0, 0, (1, 1, 1)) == Promote(1, tuple(best))
        for number in best:
            trials[number] = replace(trials[number], busy=True)
        assert isinstance(make().decide(trials, 0, 0, (1, 1, 1)), Wait)
        for number in best:
            trials[number] = replace(trials[number], busy=False, values=trials[number].values * 2)
        assert make().decide(trials, 0, 0, (1, 1, 1)) == Promote(2, (best[0],))
        trials[best[0]] = replace(trials[best[0]], values=trials[best[0]].values[:1] * 3)
        assert isinstance(make().decide(trials, 0, 0, (1, 1, 1)), Done)

    def test_a_trial_that_lost_its_job_comes_first(self, make, space):
        trials = [*history(12, space=space), Observation(space.default())]
        trials = [replace(trial, values=(1.0,) * 3) if trial.values else trial for trial in trials]
        assert make().decide(trials, 9, 1, (1, 1, 1)) == Promote(0, (12,))

    def test_failed_trials_are_left_alone_and_not_proposed_again(self, make, space):
        failed = Observation(space.default(), failed=True)
        one = make().decide([], 9, 1, (1, 1, 1))
        two = make().decide([failed], 8, 1, (1, 1, 1))
        assert isinstance(one, Sample) and isinstance(two, Sample)
        assert one != two

    @pytest.mark.parametrize("rules", RULES)
    def test_samples_keep_the_rules_of_the_space(self, make_for, space, rules):
        space = with_rules(space, *rules)
        for count in (0, 30):
            trials = [replace(trial, values=(inf,)) for trial in history(count, space=space)]
            decision = make_for(space).decide(trials, 100, 60, (1, 1, 1))
            assert isinstance(decision, Sample)
            assert len(decision.params) == 60
            assert all(space.holds(params) for params in decision.params)

    def test_each_configuration_of_a_small_space_is_tried_once(self, make):
        """As the queue asks policies: with what they propose made distinct."""

        def tried(seed):
            policy, trials = Distinct(make(seed, SMALL), SMALL, seed, [SMALL.default()]), History()
            trials.put(0, Observation(SMALL.default(), (0.5,) * 3))
            while left := 20 - len(trials):
                decision = policy.decide(trials, left, min(3, left), (1, 1, 1))
                assert isinstance(decision, Sample) and len(decision.params) == min(3, left)
                for params in decision.params:
                    value = (params["n"] - 2) ** 2 + 0.1 * params["m"]
                    trials.put(len(trials), Observation(params, (value,) * 3, order=(len(trials),) * 3))
            return [trial.params for trial in trials]

        first = tried(0)
        assert len({(params["n"], params["m"]) for params in first}) == 20
        assert first == tried(0) != tried(1)
