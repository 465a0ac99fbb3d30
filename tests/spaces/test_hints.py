"""Suggestions for unknown names."""

from spaces.messages import did_you_mean


def test_a_name_within_a_group_comes_first():
    assert did_you_mean("lr", ["lanes", "param.lr", "lrs"]) == "; did you mean 'param.lr'?"


def test_a_similar_name_is_suggested_and_else_all_are_listed():
    assert did_you_mean("trails", ["trials", "epochs"]) == "; did you mean 'trials'?"
    assert did_you_mean("zzz", ["trials", "epochs"]) == "; there are: epochs, trials"
