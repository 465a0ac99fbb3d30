"""The check of replays against the truth."""

import numpy as np

from benchmarks.replay_quality import censored, rank
from tests.benchmarks.bowl import make_task


def test_a_censored_record_is_a_part_of_the_full_curves() -> None:
    record, curves = censored(make_task(0), 30, 0)
    known = np.isfinite(record.values)
    assert (record.values[known] == curves[known]).all()
    assert 0 < record.complete.sum() < 15
    assert record.diverged.sum() == np.isnan(curves[record.trained < 3, 2]).sum() > 0
    assert record.complete[record.winner] or curves[record.winner, 2] == np.nanmin(record.values)


def test_the_rank_of_equal_values_is_no_number() -> None:
    assert rank([1.0, 2.0, 3.0], [2.0, 5.0, 9.0]) == "1.00"
    assert rank([1.0, 1.0], [2.0, 5.0]) == "equal"
