"""The Ray cluster of a search on this machine: its ports, its neighbours, and its death."""

import subprocess
import sys

import psutil
import pytest

from search.engines.ray_cluster import has_ended
from tests.search.command import ROOT, search
from tests.search.engines.heads import alone, head
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


@pytest.mark.cluster
def test_all_ports_are_those_of_this_machine_alone():
    command = [sys.executable, "-c", LISTENERS]
    ran = subprocess.run(command, cwd=ROOT, env=alone(), capture_output=True, text=True, check=True)
    addresses = ran.stdout.split()
    assert len(addresses) > 5
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}


@pytest.fixture
def tiny(tmp_path):
    (tmp_path / "tiny.yaml").write_text(SPACE.format(net="TinyNet"))
    return [f"space={tmp_path}/tiny.yaml", f"storage={tmp_path}"]


@pytest.mark.cluster
@pytest.mark.parametrize("victim", ["raylet", "gcs_server"])
def test_the_death_of_ray_ends_a_search_with_the_command_to_go_on(tiny, tmp_path, victim):
    command = [sys.executable, "-m", "search", "run", *tiny, "name=r", "trials=90", "epochs=9"]
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
    psutil.wait_procs(children, timeout=10)
    assert all(map(has_ended, children))


@pytest.fixture
def other_cluster():
    """The address of a Ray cluster of somebody else, with one processor."""
    with head("--num-cpus=1", "--include-dashboard=false") as (address, _):
        yield address


@pytest.mark.cluster
def test_a_search_joins_the_cluster_of_others_only_when_asked_to(tiny, other_cluster):
    sizes = ["trials=2", "epochs=1", "lanes=1"]
    ran = search("run", *tiny, *sizes, env=alone())
    assert ran.returncode == 0, ran.stderr
    assert "Ray dashboard" in ran.stdout  # of a cluster of its own
    ran = search("run", *tiny, *sizes, f"cluster={other_cluster}", env=alone())
    assert ran.returncode == 0, ran.stderr
    assert "1 at a time" in ran.stdout and "Ray dashboard" not in ran.stdout


@pytest.mark.cluster
def test_a_cluster_that_is_not_there_is_the_users_error(tiny):
    ran = search("run", *tiny, "cluster=127.0.0.1:1", env=alone())
    assert ran.returncode == 2
    assert "Ray's cluster at 127.0.0.1:1 can't be joined" in ran.stderr
