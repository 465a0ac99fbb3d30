"""The table of a replay, and the conclusions that it allows."""

from dataclasses import replace

import pytest

from results.replays import MIN_COMPLETE, Basis, Replay, Row, read, texts, verdict, write
from results.report.replay_figure import regrets

BASIS = Basis(
    winner=7,
    curves=64,
    complete=8,
    continued=50,
    diverged=6,
    epochs=9,
    trials=64,
    searches=20,
    workers=2,
    next_trials=100,
)
LEAST = Row(3, 1, "tpe", [1, 3, 9], 1.0, 0.1, 0.0, 0.2, 0.97, 0.3, 0.4, 90.0, 0.0, None)
EQUAL = replace(LEAST, eta=4, sampler="ladder", regret=0.15, seconds_share=0.2, behind=0.05, behind_low=-0.1)
WORSE = replace(LEAST, eta=9, regret=0.6, regret_low=0.5, regret_high=0.7, behind=0.5, behind_low=0.3)


def test_a_table_is_read_as_it_was_written(tmp_path):
    replay = Replay(BASIS, (LEAST, EQUAL))
    assert read(tmp_path) is None
    write(tmp_path, replay)
    assert read(tmp_path) == replay


def test_a_torn_table_is_named(tmp_path):
    write(tmp_path, Replay(BASIS, (LEAST,)))
    file = next(tmp_path.rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"can't be read: .* python -m search replay"):
        read(tmp_path)


def test_the_best_is_named_only_beyond_the_interval():
    assert Replay(BASIS, (WORSE, LEAST)).best == LEAST
    assert "eta=3 grace=1 sampler=tpe has the least regret, beyond" in verdict(Replay(BASIS, (WORSE, LEAST)))
    equal = Replay(BASIS, (LEAST, EQUAL, WORSE))
    assert equal.best is None and equal.cheapest == EQUAL
    assert "The best 2 settings can't be told apart" in verdict(equal)
    assert "eta=4 grace=1 sampler=ladder trains least: 20%" in verdict(equal)
    assert "The settings" in verdict(Replay(BASIS, (LEAST, EQUAL)))
    assert Replay(BASIS, (LEAST,)).best is None


def test_a_thin_record_allows_no_judgement():
    thin = Replay(replace(BASIS, complete=MIN_COMPLETE - 1), (WORSE, LEAST))
    assert thin.best is None
    assert "too thin for a judgement: 4 of 64 curves reach the last rung, and 5 must" in verdict(thin)


def test_the_texts_tell_how_many_curves_were_continued():
    text = " ".join(texts(Replay(BASIS, (LEAST, EQUAL))))
    assert "8 are complete (epoch 9), 6 diverged, and 50 were stopped early" in text
    assert "trial 7, the winner of the run" in text and "100 trials: training time here" in text


def test_the_figure_has_a_dot_and_an_interval_per_setting():
    option = regrets([LEAST, EQUAL, WORSE]).option
    assert option["legend"]["data"] == ["tpe", "ladder"]
    lines, dots, *_ = option["series"]
    assert [dot["value"] for dot in dots["data"]] == [[40.0, 0.1], [40.0, 0.6]]
    assert lines["data"][:3] == [[40.0, 0.0], [40.0, 0.2], [None, None]]
    assert option["yAxis"]["max"] >= 0.7
