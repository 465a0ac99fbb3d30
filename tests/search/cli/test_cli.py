"""The commands as a person types them: real processes, real runs, exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from results import open_run
from search.cli.commands import app
from spaces.read import names

ROOT = Path(__file__).parents[3]
TINY_SPACE = """\
trainable: tests.tiny:{net}
data: tests.tiny:TinyData
objective: {{metric: val_loss, mode: min}}
params:
  lr: {{low: 1e-4, high: 1.0, log: true}}
  width: [2, 4]
"""
SMALL = {
    "slice_reg": [
        "data.image_size=32",
        "data.train=32",
        "data.val=16",
        "param.batch_size=16",
        "backbone=resnet10t",
    ],
    "slice_backbones": [
        "data.image_size=32",
        "data.train=32",
        "data.val=16",
        "param.batch_size=16",
        "param.backbone=resnet10t",
    ],
}


def search(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "search", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, **more)  # type: ignore[call-overload]


@pytest.fixture
def tiny(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY_SPACE.format(net="TinyNet"))
    return f"space={file}"


@pytest.mark.parametrize("name", names())
def test_every_space_runs(name, tmp_path):
    size = SMALL.get(name, [])
    ran = search(
        "run", f"space={name}", "name=r", "engine=local", "trials=3", "epochs=3", f"storage={tmp_path}", *size
    )
    assert ran.returncode == 0, ran.stderr
    shown = json.loads(search("show", "r", f"storage={tmp_path}", "--json").stdout)
    assert shown["status"] == "finished"
    assert shown["best"] in shown["trials"]
    assert [trial["epochs"] for trial in shown["trials"] if trial["state"] == "complete"] == [3]
    assert shown["objective"]["baseline"] is not None
    agree(shown, tmp_path / "r")


def agree(shown, folder):
    """What `show` says is what stands in the tables."""
    run = open_run(folder)
    epochs = run.epochs.to_pylist()
    assert [t["trial"] for t in shown["trials"]] == run.trials["trial"].to_pylist()
    for trial, row in zip(shown["trials"], run.trials.to_pylist(), strict=True):
        assert (trial["state"], trial["epochs"], trial["value"]) == (
            row["state"],
            row["epochs"],
            row["objective"],
        )
        own = [e for e in epochs if e["trial"] == trial["trial"]]
        assert [e["epoch"] for e in own] == list(range(1, trial["epochs"] + 1))
        assert own[-1][shown["objective"]["metric"]] == trial["value"]
        assert sum(e["seconds"] for e in own) == pytest.approx(row["seconds"])


def test_a_search_on_ray(tiny, tmp_path):
    """Somebody's own module, on Ray, with everything that a user sees."""
    ran = search("run", tiny, "name=r", "trials=9", "epochs=9", f"storage={tmp_path}")
    assert ran.returncode == 0, ran.stderr
    assert "Ray dashboard: http://127.0.0.1:" in ran.stdout
    assert "first result: trial" in ran.stdout
    assert "best val_loss (min)" in ran.stdout
    assert "Traceback" not in (tmp_path / "r" / "run.log").read_text()
    found = search("show", tmp_path / "r", "--json")
    agree(json.loads(found.stdout), tmp_path / "r")
    listed = json.loads(search("list", f"storage={tmp_path}", "--json").stdout)
    assert [(row["run"], row["status"]) for row in listed] == [("r", "finished")]
    complete = [t for t in json.loads(found.stdout)["trials"] if t["state"] == "complete"]
    kept = list((tmp_path / "r" / "checkpoints").iterdir())
    assert 1 <= len(kept) <= len(complete) + 1  # those of the complete trials, and the best's
    again = search("run", tiny, "name=r", f"storage={tmp_path}")
    assert again.returncode == 2
    assert "resume r" in again.stderr
    finished = search("resume", "r", f"storage={tmp_path}")
    assert finished.returncode == 2
    assert "is finished" in finished.stderr


WHOLE = ["trials=30", "epochs=3", "engine=local", "seed=3", "lanes=1"]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The search that the interrupted ones must agree with in the end."""
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "tiny.yaml").write_text(TINY_SPACE.format(net="TinyNet"))
    ran = search("run", f"space={folder}/tiny.yaml", "name=r", f"storage={folder}", *WHOLE)
    assert ran.returncode == 0, ran.stderr
    return json.loads(search("show", folder / "r", "--json").stdout)


@pytest.mark.parametrize(
    ("sent", "engine"), [(signal.SIGINT, "local"), (signal.SIGTERM, "ray"), (signal.SIGKILL, "local")]
)
def test_an_interrupted_search_is_resumed(tiny, unbroken, tmp_path, sent, engine):
    command = [sys.executable, "-m", "search", "run", tiny, "name=r", f"storage={tmp_path}"]
    command += [*WHOLE, f"engine={engine}"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        for line in process.stdout:
            if "first result" in line:
                process.send_signal(sent)
                break
        process.stdout.read()
        said = process.stderr.read()
        code = process.wait(timeout=10)
    if sent is not signal.SIGKILL:
        assert code == 130, said
        assert f"go on with: python -m search resume {tmp_path}/r" in said
    interrupted = json.loads(search("show", tmp_path / "r", "--json").stdout)
    assert interrupted["status"] == "interrupted"
    resumed = search("resume", tmp_path / "r", "--json")
    assert resumed.returncode == 0, resumed.stderr
    ours = json.loads(search("show", tmp_path / "r", "--json").stdout)
    assert ours["status"] == "finished"
    agree(ours, tmp_path / "r")
    if engine == "ray":
        return  # several workers finish in an order of their own
    for one, other in zip(ours["trials"], unbroken["trials"], strict=True):
        assert (one["params"], one["state"], one["value"]) == (
            other["params"],
            other["state"],
            other["value"],
        )


def test_a_search_whose_every_trial_fails(tmp_path):
    file = tmp_path / "broken.yaml"
    file.write_text(TINY_SPACE.format(net="BrokenNet"))
    ran = search("run", f"space={file}", "name=r", "engine=local", "trials=9", f"storage={tmp_path}")
    assert ran.returncode == 1
    assert "RuntimeError: this module is broken" in ran.stdout
    assert json.loads(search("show", tmp_path / "r", "--json").stdout)["status"] == "failed"
    assert "Traceback" in (tmp_path / "r" / "run.log").read_text()


BAD = [
    (["run", "space=slice_rge"], "did you mean 'slice_reg'"),
    (["run", "trails=3"], "did you mean 'trials'"),
    (["run", "data=quicknii"], "data.root=FOLDER"),
    (["run", "data=quicknii", "data.root=nowhere"], "nowhere"),
    (["run", "data=phantm"], "phantom"),
    (["run", "storage=/proc/none"], "can't be written"),
    (["run", "weights=nowhere.safetensors"], "there is no weights file nowhere.safetensors"),
    (["show", "nothing"], "there is no run 'nothing'"),
    (["resume", "nothing"], "there is no run 'nothing'"),
    (["list", "name=3"], "only storage=FOLDER"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_wrong_input_is_one_line_and_writes_nothing(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_more_gpus_than_there_are(tiny, tmp_path):
    ran = search("run", tiny, "gpus_per_job=64", f"storage={tmp_path}/runs")
    assert ran.returncode == 2
    assert "gpus_per_job is 64, but the cluster has" in ran.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", sorted(typer.main.get_command(app).commands))  # type: ignore[attr-defined]
def test_help_has_an_example_everywhere(command):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: python -m search {command}" in result.stdout


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("search.cli.commands", {"torch", "ray", "optuna", "pyarrow", "hydra"}),
        ("search.cli.tables, search.runs.folder", {"torch", "ray", "optuna", "hydra"}),  # show and list
        ("search.runs.run", {"torch", "ray"}),
    ],
)
def test_the_command_line_starts_without_what_it_needs_not(modules, heavy):
    code = f"import {modules}, sys; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ).returncode == 0


@pytest.mark.parametrize(
    ("body", "left", "says"),
    [
        ("print('x' * 200_000)", True, ""),
        ("raise BrokenPipeError", True, ""),
        ("raise BrokenPipeError", False, "RuntimeError: a pipe to another process broke"),
    ],
)
def test_a_broken_pipe_is_passed_over_only_if_it_is_the_reader_that_left(body, left, says):
    imports = "import typer\nfrom search.cli.exit_codes import user_errors"
    program = f"{imports}\ndef f(): {body}\ntyper.run(user_errors(f))"
    reading, writing = os.pipe()
    if left:
        os.close(reading)
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert ran.returncode == 1
    assert ran.stderr.strip().splitlines()[-1:] == ([says] if says else [])
