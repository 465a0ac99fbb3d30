"""The range of an argument follows from its name and default, and some arguments have none."""

import pytest

from search.before.argument_ranges import Argument, search_range


@pytest.mark.parametrize(
    "name", ["hidden_dim", "hidden_size", "width", "lin1_size", "n_units", "embed_dim", "encoder_width"]
)
def test_a_width_has_a_logarithmic_range(name):
    assert search_range(Argument(name, int, 128)) == {"low": 32, "high": 512, "log": True}
    assert search_range(Argument(name, int, 2)) == {"low": 1, "high": 8, "log": True}


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("patience", 5), ("prediction_length", 24), ("log_interval", 0.5), ("log_images", True),
        ("num_classes", 10), ("n_classes", 10), ("input_size", 28), ("input_width", 28), ("output_dim", 10),
        ("split_seed", 42), ("num_workers", 4),
    ],
)  # fmt: skip
def test_other_properties_are_left_alone(name, default):
    assert search_range(Argument(name, type(default), default)) is None
