"""Numbers as text, rounded to their precision."""

from pathlib import Path

import pytest

from results import text
from results.stats import Estimate, estimate


@pytest.mark.parametrize(
    "value, uncertainty, written",
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
def test_a_value_is_rounded_to_its_uncertainty(value, uncertainty, written):
    assert text.rounded(value, uncertainty) == written


def test_an_estimate_and_its_interval_have_the_same_digits():
    score = estimate([0.96, 0.964, 0.965, 0.962, 0.96])
    assert (text.mean(score), text.interval(score)) == ("0.9622", "0.9594 to 0.9650")
    alone = Estimate(0.96219, 1)
    assert (text.mean(alone), text.interval(alone)) == ("0.9622", "")
    assert (text.score(score), text.score(alone)) == ("0.9622 (0.9594 to 0.9650)", "0.9622")


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0 kB"), (950_000, "950 kB"), (1_234_000, "1.2 MB"), (2.5e10, "25 GB"), (3e12, "3,000 GB")],
)
def test_bytes(number, expected):
    assert text.bytes_(number) == expected


def test_pages_do_not_tell_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert Path.home() == Path("/home/ada")
    said = text.without_home("data in '/home/ada/set', log: /home/ada/a.log (/home/ada) and /home/adam/x")
    assert said == "data in '~/set', log: ~/a.log (~) and /home/adam/x"
    assert text.without_home("/mnt/home/ada/x") == "/mnt/home/ada/x"
    monkeypatch.setenv("HOME", "/")
    assert text.without_home("/data/x") == "/data/x"


def test_dotted_names_are_short_where_that_says_which():
    names = ["model.net.width", "model.optimizer.lr", "lr", "batch_size"]
    assert text.short_names(names) == ["width", "model.optimizer.lr", "lr", "batch_size"]
