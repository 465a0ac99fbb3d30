"""Durations as people write them."""

import pytest

from search.config.duration import seconds


@pytest.mark.parametrize(
    ("text", "number"),
    [(90, 90), (0.5, 0.5), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400), ("1h2m3s", 3723)],
)
def test_a_duration_in_seconds(text, number):
    assert seconds(text) == number


@pytest.mark.parametrize("text", ["", "h", "2", "2d", "30m1h", "-1h", "1h 30m", True, None, [1]])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is no duration"):
        seconds(text)
