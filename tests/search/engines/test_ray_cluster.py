"""The Ray cluster of a search on this machine: its ports, its neighbours, and its death."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.search.command import ROOT, search
from tests.tiny import SPACE

LISTENERS = """
import psutil
from search.engines.ray_tune import RayEngine
engine = RayEngine(None, name="closed", cpus_per_job=1, gpus_per_job=0)
own = [psutil.Process(), *psutil.Process().children(recursive=True)]
addresses = [c.laddr.ip for process in own for c in process.net_connections("inet") if c.status == "LISTEN"]
engine.close()
print(" ".join(addresses))
"""


def alone(**more):
    """The environment of a process that knows no other cluster."""
    return {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"} | more


@pytest.mark.slow
def test_all_ports_are_those_of_this_machine_alone():
    command = [sys.executable, "-c", LISTENERS]
    ran = subprocess.run(command, cwd=ROOT, env=alone(), capture_output=True, text=True, check=True)
    addresses = ran.stdout.split()
    assert len(addresses) > 5
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}


@pytest.fixture
def tiny(tmp_path):
    (tmp_path / "tiny.yaml").write_text(SPACE.format(net="TinyNet"))
    return [f"space={tmp_path}/tiny.yaml", "name=r", f"storage={tmp_path}", "trials=40", "epochs=9"]


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["raylet", "gcs_server"])
def test_the_death_of_ray_ends_a_search_with_the_command_to_go_on(tiny, tmp_path, victim):
    command = [sys.executable, "-m", "search", "run", *tiny]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=alone(), stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout and process.stderr
        for line in process.stdout:
            if "first result" in line:
                children = psutil.Process(process.pid).children(recursive=True)
                next(child for child in children if child.name() == victim).kill()
                break
        process.stdout.read()
        errors = process.stderr.read()
    assert process.returncode == 1, errors
    assert f"error: Ray's process {victim} has died" in errors
    assert f"go on with: python -m search resume {tmp_path}/r" in errors
    assert not any(child.is_running() and child.status() != "zombie" for child in children)


@pytest.mark.slow
def test_clusters_of_others_make_no_difference(tiny, tmp_path):
    """One that runs on this machine: a search starts its own, and joins that one when asked to."""
    ray, folder = [sys.executable, "-m", "ray.scripts.scripts"], f"--temp-dir={tmp_path}/other"
    start = [
        *ray,
        "start",
        "--head",
        "--port=0",
        "--num-cpus=1",
        "--include-dashboard=false",
        folder,
        "--block",
    ]
    with subprocess.Popen(start, env=alone(), stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        address = next(line.split("'")[1] for line in other.stdout if "--address=" in line)
        try:
            ran = search("run", *tiny, "trials=2", "epochs=1", env=alone())
            assert ran.returncode == 0, ran.stderr
            assert "2 at a time" in ran.stdout or os.cpu_count() != 2
            ran = search(
                "run", *tiny, "name=joined", "trials=2", "epochs=1", f"cluster={address}", env=alone()
            )
            assert ran.returncode == 0, ran.stderr
            assert "1 at a time" in ran.stdout
        finally:
            other.send_signal(signal.SIGTERM)
            other.communicate()


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_the_users_error(tiny, tmp_path):
    ran = search("run", *tiny, "cluster=127.0.0.1:1", env=alone(RAY_gcs_rpc_server_connect_timeout_s="1"))
    assert ran.returncode == 2
    assert "Ray's cluster at 127.0.0.1:1 can't be joined" in ran.stderr
    assert not (tmp_path / "r").exists()
