"""The configuration of a run: budgets, overrides, and one line for each mistake."""

import subprocess
import sys
from pathlib import Path

import pytest

from search.config.run_config import resolve
from search.core.rungs import UNLIMITED
from spaces.params import Choice

ROOT = Path(__file__).parents[3]


def test_budgets_and_overrides():
    demo, full = resolve([]), resolve(["budget=full", "trials=70", "data.train=1000"])
    assert (demo.trials, demo.epochs, demo.grace, demo.rungs) == (12, 9, 1, (1, 3, 9))
    assert (demo.space.options["image_size"], demo.space.options["train"]) == (64, 256)
    assert (full.trials, full.epochs, full.grace, full.rungs) == (70, 81, 3, (3, 9, 27, 81))
    assert (full.space.options["image_size"], full.space.options["train"]) == (299, 1000)
    assert resolve(["budget=full", "epochs=2"]).grace == 2


@pytest.mark.parametrize(
    ("overrides", "rungs", "note"),
    [
        (
            ["trials=8", "epochs=9"],
            (3, 9),
            "grace=3 eta=3, not grace=1 eta=3: so 2 of 8 trials reach epoch 9",
        ),
        (["trials=2"], (9,), "so 2 of 2 trials reach epoch 9, not 0"),
        (["trials=18"], (1, 3, 9), None),
        (["trials=8", "epochs=9", "grace=1"], (1, 3, 9), None),  # as given
        (["trials=8", "epochs=9", "eta=3"], (1, 3, 9), None),
        (["trials=12", "epochs=9"], (1, 3, 9), None),  # the budget's
        (["trials=1", "epochs=1"], (1,), None),
    ],
)
def test_two_of_few_trials_reach_the_last_rung_unless_the_rungs_are_given(overrides, rungs, note):
    config = resolve(overrides)
    assert config.rungs == rungs
    assert [note in line for line in config.notes] == ([True] if note else [])


def test_a_time_alone_or_with_a_number_of_trials():
    assert (resolve(["time=1h30m"]).time, resolve(["time=1h30m"]).trials) == (5400, UNLIMITED)
    assert resolve(["time=90", "trials=20"]).trials == 20
    few = [f"param.{name}={value}" for name, value in resolve([]).space.default().items()]
    assert resolve(["time=2h", *few, "param.lr=[0.1,0.2]"]).trials == 2
    assert resolve([]).time is None


def test_text_and_fractions():
    config = resolve(["name=3", "gpus_per_job=0.5", "lanes=4"])
    assert (config.name, config.gpus_per_job, config.lanes) == ("3", 0.5, 4)
    assert (config.cpus_per_job, type(config.cpus_per_job)) == (1, int)


def test_data_parameters_and_settings():
    config = resolve(
        [
            "data=quicknii",
            "data.root='a folder'",
            "param.lr=0.001",
            "param.loss=[mse,l1]",
            "backbone=resnet18",
        ]
    )
    assert config.space.options["source"] == "quicknii"
    assert config.space.options["root"] == "a folder"
    assert config.space.params["lr"] == Choice((0.001,))
    assert config.space.params["loss"] == Choice(("mse", "l1"))
    assert config.space.settings["backbone"] == "resnet18"


BAD = [
    ("space=slice_rge", "did you mean 'slice_reg'"),
    ("trails=3", "there is no key 'trails' in space slice_reg; did you mean 'trials'"),
    ("param.lrr=3", "did you mean"),
    ("lr=3", "did you mean 'param.lr'"),
    ("data.rot=3", "did you mean 'data.root'"),
    ("lanes=0", "lanes is 0, but must be a whole number >= 1"),
    ("lanes=many", "lanes is 'many', but must be a whole number >= 1, or auto"),
    (
        "confirm.top=-1",
        "confirm.top is -1, but must be a whole number >= 0 (search/config/config.yaml or conf",
    ),
    ("init_seed=true", "init_seed is True, but must be a whole number >= 0"),
    ("time=0", "time is 0, but must be a number of seconds > 0, or such as 90s, 30m, 2h or 1h30m"),
    ("time=-5", "time is -5, but must be a number of seconds > 0"),
    ("time=soon", "time is 'soon', but must be a number of seconds > 0"),
    ("time=2h30", "time is '2h30', but"),
    ("time=0s", "time is '0s', but"),
    ("time=true", "time is True, but"),
    ("time=inf", "time is inf, but"),
    ("trials=0", "trials is 0, but must be a whole number >= 1 (search/config/config.yaml or trials=...)"),
    ("trials=2.5", "trials is 2.5"),
    ("trials=many", "trials is 'many'"),
    ("eta=1", "eta is 1, but must be a whole number >= 2"),
    ("grace=10", "grace is 10, but must be from 1 to epochs=9"),
    ("seed=-1", "seed is -1"),
    ("engine=rya", "engine is 'rya'; did you mean 'ray'"),
    ("budget=huge", "budget is 'huge'"),
    ("sampler=grid", "sampler is 'grid'"),
    ("sampler=[tpe]", "sampler is ['tpe']"),
    ("cpus_per_job=0", "cpus_per_job is 0, but must be a number > 0"),
    ("devices_per_trial=0", "devices_per_trial is 0, but must be a whole number >= 1"),
    ("gpus_per_job=-1", "gpus_per_job is -1, but must be a number >= 0, or auto"),
    ("deterministic=maybe", "deterministic is 'maybe', but must be true or false"),
    ("disk=much", "disk is 'much', but must be a size, such as 20GB"),
    ("job_timeout=0", "job_timeout is 0, but must be a number of seconds > 0, or auto"),
    ("cpus_per_job=.inf", "cpus_per_job is '.inf', but must be a number > 0"),
    ("cpus_per_job=inf", "cpus_per_job is inf, but must be a number > 0"),
    ("name=a/b", "name is 'a/b', but must be letters"),
    ("data.train=many", "data.train is 'many', but must be a whole number"),
    ("pretrained=perhaps", "pretrained is 'perhaps', but must be true or false"),
    ("param.lr.high=0.00001", "low must be less than high"),
    ("+trials=3", "write key=value"),
    ("trials=1,2", "a list of choices is key=[a,b]"),
    ("trials", "is no override"),
]


@pytest.mark.parametrize(("override", "message"), BAD)
def test_mistakes(override, message):
    with pytest.raises(ValueError) as caught:
        resolve([override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lanes=4", "lanes is 4, but a trial with devices_per_trial=2 trains alone (lanes=auto, or"),
        (
            "gpus_per_job=0.5",
            "gpus_per_job is 0.5, but a job with devices_per_trial=2 has 2 whole GPUs or none",
        ),
    ],
)
def test_trials_on_several_devices_are_alone_on_whole_ones(override, message):
    with pytest.raises(ValueError) as caught:
        resolve(["devices_per_trial=2", override])
    assert message in str(caught.value)
    assert resolve(["devices_per_trial=2", "gpus_per_job=2"]).pack == 1


def test_a_first_search_is_prepared_without_pytorch():
    """PyTorch would cost half a gigabyte and seconds in a process that trains nothing."""
    program = (
        "import sys; from search.config.run_config import resolve; "
        "from search.runs.preflight import prepare; "
        "prepare(resolve(['space=slice_reg'])); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
