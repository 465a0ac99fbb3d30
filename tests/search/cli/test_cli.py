"""The commands as a user types them: processes, runs and exit codes."""

import json
import os
import signal
import subprocess
import sys

import pytest
import typer

from results import open_run
from search.cli.commands import app
from spaces.read import names
from tests.search.command import ROOT, SMALL, invoke, search
from tests.tiny import SPACE


@pytest.fixture
def tiny(tmp_path):
    """The override that names a space file of TinyNet."""
    file = tmp_path / "tiny.yaml"
    file.write_text(SPACE.format(net="TinyNet"))
    return f"space={file}"


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_every_space_runs(name, tmp_path):
    sizes = ["trials=3", "epochs=3", "grace=1", *SMALL.get(name, [])]
    ran = invoke("run", f"space={name}", "name=r", "engine=local", f"storage={tmp_path}", *sizes)
    assert ran.exit_code == 0, ran.stderr
    shown = json.loads(invoke("show", "r", f"storage={tmp_path}", "--json").stdout)
    assert shown["status"] == "finished"
    assert shown["best"] in shown["trials"]
    assert [trial["epochs"] for trial in shown["trials"] if trial["state"] == "complete"] == [3]
    assert shown["objective"]["baseline"] is not None
    assert_equal_to_tables(shown, tmp_path / "r")


def assert_equal_to_tables(shown, folder):
    """The output of `show --json` has the values of the run's tables."""
    run = open_run(folder)
    epochs = run.epochs.to_pylist()
    assert [t["trial"] for t in shown["trials"]] == run.trials["trial"].to_pylist()
    for trial, row in zip(shown["trials"], run.trials.to_pylist(), strict=True):
        values = row["state"], row["epochs"], row["objective"]
        assert (trial["state"], trial["epochs"], trial["value"]) == values
        own = [epoch for epoch in epochs if epoch["trial"] == trial["trial"]]
        assert [epoch["epoch"] for epoch in own] == list(range(1, trial["epochs"] + 1))
        assert own[-1][shown["objective"]["metric"]] == trial["value"]
        assert sum(epoch["seconds"] for epoch in own) == pytest.approx(row["seconds"])


@pytest.mark.slow
def test_a_search_on_ray(tiny, tmp_path):
    """A user's module on Ray, with all output that the user sees."""
    ran = search("run", tiny, "name=r", "trials=9", "epochs=9", f"storage={tmp_path}")
    assert ran.returncode == 0, ran.stderr
    assert "Ray dashboard: http://127.0.0.1:" in ran.stdout
    assert "first result: trial" in ran.stdout
    assert "best val_loss (min)" in ran.stdout
    assert "Traceback" not in (tmp_path / "r" / "run.log").read_text()
    shown = json.loads(invoke("show", tmp_path / "r", "--json").stdout)
    assert_equal_to_tables(shown, tmp_path / "r")
    listed = json.loads(invoke("list", f"storage={tmp_path}", "--json").stdout)
    assert [(row["run"], row["status"]) for row in listed] == [("r", "finished")]
    complete = [trial for trial in shown["trials"] if trial["state"] == "complete"]
    checkpoints = list((tmp_path / "r" / "checkpoints").iterdir())
    assert 1 <= len(checkpoints) <= len(complete) + 1  # of the complete trials and of the best trial
    again = invoke("run", tiny, "name=r", f"storage={tmp_path}")
    assert again.exit_code == 2
    assert "resume r" in again.stderr
    finished = invoke("resume", "r", f"storage={tmp_path}")
    assert finished.exit_code == 2
    assert "is finished" in finished.stderr


@pytest.mark.slow
def test_a_deterministic_search_on_two_workers_is_repeatable(tmp_path):
    tables = []
    for name in ("a", "b"):
        sizes = ["trials=12", "epochs=3", "deterministic=true"]
        ran = search("run", "space=mnist_classifier", f"name={name}", f"storage={tmp_path}", *sizes)
        assert ran.returncode == 0, ran.stderr
        run = open_run(tmp_path / name)
        times = {"seconds", "finished_at", "device", "node"}
        parts = (run.trials, run.rungs, run.epochs)
        tables.append([part.drop_columns(sorted(times & set(part.column_names))) for part in parts])
    assert tables[0] == tables[1]


SEARCH = ["trials=30", "epochs=3", "engine=local", "seed=3", "lanes=1"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The search as `show --json` prints it when it was not interrupted."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "tiny.yaml").write_text(SPACE.format(net="TinyNet"))
    ran = invoke("run", f"space={folder}/tiny.yaml", "name=r", f"storage={folder}", *SEARCH)
    assert ran.exit_code == 0, ran.stderr
    return json.loads(invoke("show", folder / "r", "--json").stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "engine"), [(signal.SIGINT, "local"), (signal.SIGTERM, "ray"), (signal.SIGKILL, "local")]
)
def test_an_interrupted_search_is_resumed(tiny, uninterrupted, tmp_path, sent, engine):
    command = [sys.executable, "-m", "search", "run", tiny, "name=r", f"storage={tmp_path}"]
    command += [*SEARCH, f"engine={engine}", *(["trials=9"] if engine == "ray" else [])]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        for line in process.stdout:
            if "first result" in line:
                process.send_signal(sent)
                break
        process.stdout.read()
        errors = process.stderr.read()
        code = process.wait(timeout=10)
    if sent is not signal.SIGKILL:
        assert code == 130, errors
        assert f"go on with: python -m search resume {tmp_path}/r" in errors
    interrupted = json.loads(invoke("show", tmp_path / "r", "--json").stdout)
    assert interrupted["status"] == "interrupted"
    resumed = search("resume", tmp_path / "r", "--json")
    assert resumed.returncode == 0, resumed.stderr
    shown = json.loads(invoke("show", tmp_path / "r", "--json").stdout)
    assert shown["status"] == "finished"
    assert_equal_to_tables(shown, tmp_path / "r")
    if engine == "ray":
        return  # the order in which several workers finish varies
    for trial, expected in zip(shown["trials"], uninterrupted["trials"], strict=True):
        for key in ("params", "state", "value"):
            assert trial[key] == expected[key]


@pytest.mark.slow
def test_a_second_interrupt_ends_a_search_that_hangs(tmp_path):
    file, pipe = tmp_path / "hanging.yaml", tmp_path / "hanging"
    file.write_text(SPACE.format(net="HangingNet"))
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "search", "run", f"space={file}", "name=r", "engine=local"]
    environment = {**os.environ, "HANGING": str(pipe)}
    with subprocess.Popen(
        [*command, f"storage={tmp_path}"], cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr
        assert pipe.read_text() == "now"
        process.send_signal(signal.SIGINT)
        lines = [process.stderr.readline() for _ in range(2)]
        assert "once more ends it at once" in "".join(lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert f"go on with: python -m search resume {tmp_path}/r" in process.stderr.read()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "error"),
    [("BrokenNet", "RuntimeError: this module is broken"), ("ExitingNet", "SystemExit: enough")],
)
def test_a_search_fails_if_all_its_trials_fail(tmp_path, net, error):
    file = tmp_path / "broken.yaml"
    file.write_text(SPACE.format(net=net))
    ran = search("run", f"space={file}", "name=r", "engine=local", "trials=9", f"storage={tmp_path}")
    assert ran.returncode == 1
    assert f"trial 0 failed: {error}" in ran.stdout
    assert json.loads(invoke("show", tmp_path / "r", "--json").stdout)["status"] == "failed"
    assert "Traceback" in (tmp_path / "r" / "run.log").read_text()


WRONG_INPUTS = [
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


@pytest.mark.parametrize(("arguments", "message"), WRONG_INPUTS)
def test_wrong_input_is_one_line_and_writes_nothing(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_more_gpus_than_the_cluster_has_are_refused(tiny, tmp_path):
    ran = search("run", tiny, "gpus_per_job=64", f"storage={tmp_path}/runs")
    assert ran.returncode == 2
    assert "gpus_per_job is 64, but the cluster has" in ran.stderr
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize("command", sorted(typer.main.get_command(app).commands))  # type: ignore[attr-defined]
def test_the_help_of_each_command_has_an_example(command):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert f"Example: python -m search {command}" in result.stdout


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        ("search.cli.commands", {"torch", "ray", "optuna", "pyarrow", "hydra"}),
        ("search.cli.tables, search.runs.find", {"torch", "ray", "optuna", "hydra"}),  # show and list
        ("search.runs.run", {"torch", "ray"}),
    ],
)
def test_the_command_line_starts_without_heavy_imports(modules, absent):
    code = f"import {modules}, sys; sys.exit(bool({absent} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ).returncode == 0


@pytest.mark.parametrize(
    ("body", "closed", "error"),
    [
        ("print('x' * 200_000)", True, ""),
        ("raise BrokenPipeError", True, ""),
        ("raise BrokenPipeError", False, "RuntimeError: a pipe to another process broke"),
    ],
)
def test_a_broken_pipe_is_ignored_only_if_the_reader_of_stdout_has_closed_it(body, closed, error):
    imports = "import typer\nfrom search.cli.exit_codes import user_errors"
    program = f"{imports}\ndef f(): {body}\ntyper.run(user_errors(f))"
    reading, writing = os.pipe()
    if closed:
        os.close(reading)
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert ran.returncode == 1
    assert ran.stderr.strip().splitlines()[-1:] == ([error] if error else [])
