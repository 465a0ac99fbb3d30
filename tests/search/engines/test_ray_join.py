"""Joining clusters: with and without a token, submitted to one, one that grows from nothing, its death."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from tests.search.command import ROOT, search
from tests.search.engines.heads import RAY, alone, head
from tests.tiny import SPACE

pytestmark = pytest.mark.cluster
NO_DASHBOARD = "--include-dashboard=false"


@pytest.fixture
def tiny(tmp_path):
    (tmp_path / "tiny.yaml").write_text(SPACE.format(net="TinyNet"))
    return [f"space={tmp_path}/tiny.yaml", f"storage={tmp_path}", "epochs=3", "lanes=1"]


def test_a_users_token_is_shown_to_a_cluster_that_asks_for_one(tiny, tmp_path):
    """The user need not know of RAY_AUTH_MODE, but must have the token."""
    for name in ("a", "b"):
        (tmp_path / name / ".ray").mkdir(parents=True)
        (tmp_path / name / ".ray" / "auth_token").write_text(name * 40)
    mode = {"RAY_AUTH_MODE": "token", "HOME": str(tmp_path / "a")}
    with head("--num-cpus=1", NO_DASHBOARD, **mode) as (address, _):
        for home in ("b", "nowhere"):
            ran = search("run", *tiny, f"cluster={address}", env=alone(HOME=str(tmp_path / home)))
            assert ran.returncode == 2
            assert len(ran.stderr.splitlines()) == 1
            assert f"{address} can't be joined: it asks for another token" in ran.stderr
        joined = [*tiny, "name=joined", "trials=2", f"cluster={address}"]
        ran = search("run", *joined, env=alone(HOME=str(tmp_path / "a")))
        assert ran.returncode == 0, ran.stderr
        assert "1 at a time" in ran.stdout


def test_a_cluster_without_tokens_takes_a_user_who_has_one(tiny, tmp_path):
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("a" * 40)
    with head("--num-cpus=1", NO_DASHBOARD, RAY_AUTH_MODE="disabled") as (address, _):
        ran = search("run", *tiny, "trials=2", f"cluster={address}", env=alone(HOME=str(tmp_path)))
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:1"])
def test_a_cluster_that_is_not_there_is_told_at_once(tiny, tmp_path, address):
    ran = search("run", *tiny, "name=r", f"cluster={address}", env=alone())
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)
    assert f"Ray's cluster at {address} can't be joined: nothing answers there" in ran.stderr
    assert not (tmp_path / "r").exists()


def test_the_client_of_ray_is_refused(tiny):
    for way in ({"RAY_ADDRESS": "ray://127.0.0.1:1"}, {}):
        key = [] if way else ["cluster=ray://127.0.0.1:1"]
        ran = search("run", *tiny, *key, env=alone(**way))
        assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)
        assert "ray job submit" in ran.stderr


def test_the_local_engine_joins_no_cluster(tiny, tmp_path):
    ran = search("run", *tiny, "name=r", "engine=local", "cluster=auto", env=alone())
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)
    assert "cluster is auto, but engine is local" in ran.stderr
    assert not (tmp_path / "r").exists()


def test_a_search_is_submitted_to_a_cluster_with_one_command(tiny, tmp_path):
    """As in docs/cluster.md. The driver runs in a copy of the folder, on the cluster."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for package in ("search", "spaces", "trainables", "results", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "*.png")
        shutil.copytree(ROOT / package, tmp_path / "code" / package, ignore=ignored)
    mode = {"RAY_AUTH_MODE": "disabled"}
    with head("--num-cpus=2", "--include-dashboard=true", f"--dashboard-port={port}", **mode):
        submit = [*RAY, "job", "submit", f"--address=http://127.0.0.1:{port}", "--working-dir=code", "--"]
        command = [sys.executable, "-m", "search", "run", *tiny, "name=submitted", "trials=3", "cluster=auto"]
        ran = subprocess.run(
            [*submit, *command],
            cwd=tmp_path,
            env=alone(**mode),
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "submitted (tiny): finished, 3 trials" in ran.stdout
    assert (tmp_path / "submitted" / "report.html").exists()


def test_the_death_of_a_cluster_that_was_joined_ends_in_a_line(tiny, tmp_path):
    mode = {"RAY_AUTH_MODE": "disabled"}
    with head("--num-cpus=2", NO_DASHBOARD, **mode) as (address, pid):
        command = [sys.executable, "-m", "search", "run", *tiny, "name=r", "trials=60", f"cluster={address}"]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=ROOT, env=alone(**mode), stdout=pipe, stderr=pipe, text=True
        ) as ran:
            assert ran.stdout and ran.stderr
            next(line for line in ran.stdout if "first result" in line)
            parts = psutil.Process(pid).children(recursive=True)
            next(part for part in parts if part.name() == "raylet").kill()
            ran.stdout.read()
            errors = ran.stderr.read()
    assert ran.returncode == 1, errors
    assert f"go on with: python -m search resume {tmp_path}/r" in errors
    assert "Traceback" not in errors


NONE = (
    *("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands"),
    *("head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files"),
    *("rsync_exclude", "rsync_filter"),
)
AUTOSCALING = {
    "cluster_name": "fake",
    "max_workers": 2,
    "idle_timeout_minutes": 1,
    "head_node_type": "ray.head.default",
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": {"CPU": 1, "GPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    "auth": {},
    "file_mounts": {},
    "file_mounts_sync_continuously": False,
    **{name: [] for name in NONE},
}


def test_a_cluster_may_grow_from_nothing(tiny, tmp_path):
    """Ray's own stand-in for a cloud; its nodes, each with what it calls a GPU, come when jobs wait."""
    from ray._private.services import get_node_ip_address

    with socket.socket() as free:
        free.bind(("", 0))
        address = get_node_ip_address(), free.getsockname()[1]
    provider = {"type": "fake_multinode", "gcs_address": f"{address[0]}:{address[1]}"}
    (tmp_path / "cluster.json").write_text(json.dumps({**AUTOSCALING, "provider": provider}))
    mode = {"RAY_AUTH_MODE": "disabled", "RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    options = ["--num-cpus=0", "--num-gpus=0", f"--autoscaling-config={tmp_path}/cluster.json"]
    with head(*options, NO_DASHBOARD, f"--port={address[1]}", **mode):
        key = f"cluster={address[0]}:{address[1]}"
        ran = search("run", *tiny, "trials=4", "gpus_per_job=1", key, env=alone(RAY_AUTH_MODE="disabled"))
    assert ran.returncode == 0, ran.stderr
    assert "finished, 4 trials" in ran.stdout


def test_the_address_that_a_dead_cluster_left_makes_no_difference(tiny):
    """Ray keeps the address of the last `ray start` in a file; a search reads it only for cluster=auto."""
    with TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:  # sockets: short names
        (Path(folder) / "ray").mkdir()
        (Path(folder) / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
        ran = search("run", *tiny, "trials=2", env=alone(RAY_TMPDIR=folder))
        assert ran.returncode == 0, ran.stderr
        assert (Path(folder) / "ray" / "session_latest").exists(), "Ray has used another folder"


def test_auto_is_first_of_all_what_the_environment_names(tiny):
    """As `ray job submit` sets it; other clusters may run on the same machine."""
    ran = search("run", *tiny, "cluster=auto", env=alone(RAY_ADDRESS="127.0.0.1:1"))
    assert ran.returncode == 2
    assert "Ray's cluster at 127.0.0.1:1 can't be joined" in ran.stderr
