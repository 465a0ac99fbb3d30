"""How numbers are written: with the digits that they have."""

import pytest

from results import text
from results.stats import Estimate, estimate


@pytest.mark.parametrize(
    "value, give, written",
    [
        (0.96219999, 0.002831, "0.9622"),
        (0.96, 0.002831, "0.9600"),
        (-0.0004, 0.0066, "-0.0004"),
        (2941.23, 41.0, "2,941"),
        (2941.23, 0.41, "2,941.23"),
        (0.5, 0.0, "0.5"),
        (0.123456, None, "0.1235"),
        (0.123456, float("inf"), "0.1235"),
    ],
)
def test_a_value_has_the_digits_that_its_uncertainty_leaves_it(value, give, written):
    assert text.rounded(value, give) == written


def test_an_estimate_and_its_interval_have_equal_digits():
    score = estimate([0.96, 0.964, 0.965, 0.962, 0.96])
    assert (text.mean(score), text.interval(score)) == ("0.9622", "0.9594 to 0.9650")
    alone = Estimate(0.96219, 1)
    assert (text.mean(alone), text.interval(alone)) == ("0.9622", "")
    assert (text.score(score), text.score(alone)) == ("0.9622 (0.9594 to 0.9650)", "0.9622")
