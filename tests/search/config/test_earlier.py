"""Command lines and runs of earlier versions of Ladder."""

import pytest

from search.config.run_config import FORMAT, from_plain, resolve


def plain(*overrides):
    return resolve(["space=slice_reg", *overrides]).plain()


def test_a_renamed_key_is_read_with_a_note():
    config = resolve(["weights_seed=3"])
    assert config.init_seed == 3
    assert config.notes == ("weights_seed is now called init_seed",)
    assert config == resolve(["init_seed=3"])  # notes are not compared
    assert resolve(["init_seed=3"]).notes == ()
    with pytest.raises(ValueError, match="init_seed is -1, but must be a whole number >= 0"):
        resolve(["weights_seed=-1"])


def test_a_key_under_both_names_is_refused():
    with pytest.raises(ValueError, match="weights_seed is now called init_seed, and both are set"):
        resolve(["weights_seed=3", "init_seed=4"])


def test_notes_are_not_stored():
    assert "notes" not in resolve(["weights_seed=3"]).plain()


def test_a_new_run_has_the_present_format():
    assert plain()["format"] == FORMAT == 2
    assert from_plain(plain(), "config.yaml").format == 2


def test_a_run_of_an_earlier_version_is_read():
    old = plain("init_seed=3")
    del old["format"]
    old["weights_seed"] = old.pop("init_seed")
    old["data"] = "trainables.slices.data:SliceData"
    old["prepare"] = "trainables.slices.prepare:prepare"
    old["predictor"] = "trainables.slices.predict:SlicePredictor"
    config = from_plain(old, "config.yaml")
    assert config.format == 1
    assert config.init_seed == 3
    now = resolve([]).space
    assert (config.space.data, config.space.prepare, config.space.predictor) == (
        now.data,
        now.prepare,
        now.predictor,
    )


def test_a_key_that_a_run_lacks_has_its_default():
    old = plain()
    for key in ("format", "logger", "fidelity", "space_file"):
        del old[key]
    config = from_plain(old, "config.yaml")
    assert (config.logger, config.fidelity, config.space.file) == ("none", ("epochs",), None)
    assert from_plain({**old, "space": "mine"}, "config.yaml").space.file == "mine.yaml"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("trials", 0, "trials is 0, but must be a whole number >= 1 (trials in r/config.yaml)"),
        (
            "confirm_top",
            -1,
            "confirm.top is -1, but must be a whole number >= 0 (confirm.top in r/config.yaml)",
        ),
        ("format", 3, "format is 3, but must be 1 or 2: a later version of Ladder wrote it (format in"),
        (
            "objective",
            {"metric": "m", "mode": "less"},
            "r/config.yaml: objective.mode is 'less', but must be",
        ),
    ],
)
def test_mistakes_in_a_run_s_configuration(key, value, message):
    with pytest.raises(ValueError) as caught:
        from_plain({**plain(), key: value}, "r/config.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
